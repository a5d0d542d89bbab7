// What a person or a screen reader would trip over on the page as it is, ten things at most:
// what sticks out, what has no name, text that is hard to read or lies on other text, charts
// whose axes do not say what they measure.
(() => {
	const wrong = [];
	const said = (text) => JSON.stringify(String(text).trim().slice(0, 40));
	const named = (e) => `${e.tagName.toLowerCase()}${e.className && e.className.baseVal === undefined ? '.' + e.className.trim().replace(/\s+/g, '.') : ''} ${said(e.textContent)}`;

	// What is out of sight is not laid out, but would be once one scrolls there.
	for (const e of document.querySelectorAll('body *')) if (getComputedStyle(e).contentVisibility === 'auto') e.style.contentVisibility = 'visible';

	// Boxes.
	const holders = (e) => { const all = []; for (let p = e.parentElement; p && p !== document.body; p = p.parentElement) if (getComputedStyle(p).overflowX !== 'visible') all.push(p); return all; };
	const page = document.documentElement.scrollWidth;
	if (page > innerWidth + 1) {
		const out = [...document.querySelectorAll('body *')].filter((e) => e.getBoundingClientRect().right > innerWidth + 1 && !holders(e).length);
		const deepest = out.filter((e) => !out.some((other) => other !== e && e.contains(other)));
		wrong.push(`wider than the window: ${page}, by ${deepest.slice(0, 3).map((e) => `${named(e)} to ${Math.round(e.getBoundingClientRect().right)}`).join(' and ')}`);
	}

	// Names.
	for (const e of document.querySelectorAll('input, select')) if (!e.labels || !e.labels.length) wrong.push('no label: ' + e.name);
	for (const e of document.querySelectorAll('button, a')) if (!e.textContent.trim()) wrong.push('no name: ' + e.outerHTML.slice(0, 80));
	for (const e of document.querySelectorAll('[tabindex]')) if (e.tabIndex > 0) wrong.push('order of its own: ' + e.tagName);
	for (const e of document.querySelectorAll('svg, .plot')) if (!e.getAttribute('aria-label') && !e.querySelector('title')) wrong.push('no name: ' + e.tagName);

	// Text: its contrast, and that each of it has its place to itself.
	const canvas = document.createElement('canvas').getContext('2d', {willReadFrequently: true});
	const rgb = (colour) => { canvas.clearRect(0, 0, 1, 1); canvas.fillStyle = colour; canvas.fillRect(0, 0, 1, 1); return canvas.getImageData(0, 0, 1, 1).data; };
	const luminance = ([r, g, b]) => [r, g, b].map((v) => (v /= 255) <= .03928 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4).reduce((s, v, i) => s + v * [.2126, .7152, .0722][i], 0);
	const behind = (e) => { for (; e; e = e.parentElement) { const c = rgb(getComputedStyle(e).backgroundColor); if (c[3] > 200) return c; } return rgb(getComputedStyle(document.body).backgroundColor); };
	const shown = (e, {left, right, top, bottom}) => holders(e).concat(getComputedStyle(e).overflowX === 'visible' ? [] : e).map((p) => p.getBoundingClientRect())
		.reduce((b, p) => ({left: Math.max(b.left, p.left), right: Math.min(b.right, p.right), top: Math.max(b.top, p.top), bottom: Math.min(b.bottom, p.bottom)}), {left, right, top, bottom});
	const over = (a, b) => Math.min(a.right, b.right) - Math.max(a.left, b.left) > 2 && Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top) > 2;
	const walk = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
	const seen = new Set(), boxes = [];
	for (let n = walk.nextNode(); n; n = walk.nextNode()) {
		const e = n.parentElement;
		if (!n.textContent.trim() || !e.getClientRects().length || !e.checkVisibility() || e.closest('dialog')) continue;
		const range = document.createRange();
		range.selectNodeContents(n);
		for (const r of range.getClientRects()) {
			const b = shown(e, r);
			if (b.right - b.left > 2 && b.bottom - b.top > 2) boxes.push({n, ...b});
		}
		if (seen.has(e)) continue;
		seen.add(e);
		const [a, b] = [luminance(rgb(getComputedStyle(e).color)), luminance(behind(e))].sort((x, y) => y - x);
		if ((a + .05) / (b + .05) < 4.5) wrong.push('contrast ' + ((a + .05) / (b + .05)).toFixed(1) + ': ' + said(e.textContent));
	}
	boxes.sort((a, b) => a.top - b.top);
	for (let i = 0; i < boxes.length; i++) {
		for (let k = i + 1; k < boxes.length && boxes[k].top < boxes[i].bottom; k++) {
			if (boxes[i].n !== boxes[k].n && over(boxes[i], boxes[k])) wrong.push(`${said(boxes[i].n.textContent)} lies on ${said(boxes[k].n.textContent)}`);
		}
	}

	// Charts: what is written on them (ink.js) has its place to itself, none of it is cut off,
	// and each axis has two marks at least, of which no two say the same.
	for (const p of document.querySelectorAll('.plot')) {
		const c = p.querySelector('canvas'), of = `chart ${said(p.getAttribute('aria-label'))}: `;
		const ink = (c && c.ink || []).filter((i) => i.text);
		for (const [axis, align] of [['upright', 'right'], ['level', 'center']]) {
			const marks = ink.filter((i) => i.align === align && !i.turned && i.text.trim());
			const days = marks.filter((i) => !/^\d\d:\d\d/.test(i.text)); // below the first time of each
			const texts = new Set(marks.map((i) => days.includes(i) ? i.text : `${i.text} of ${days.filter((d) => d.left <= i.right).length}`));
			if (marks.length < 2) wrong.push(`${of}its ${axis} axis says ${marks.length ? 'only ' + said(marks[0].text) : 'nothing'}`);
			if (texts.size < marks.length) wrong.push(`${of}two marks of its ${axis} axis say the same: ${marks.map((i) => i.text)}`);
		}
		ink.forEach((a, i) => {
			if (a.left < -1 || a.top < -1 || a.right > c.width + 1 || a.bottom > c.height + 1) wrong.push(`${of}${said(a.text)} is cut off`);
			for (const b of ink.slice(i + 1)) if (over(a, b)) wrong.push(`${of}${said(a.text)} lies on ${said(b.text)}`);
		});
	}
	return wrong.slice(0, 10);
})()
