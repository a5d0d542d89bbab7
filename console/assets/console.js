// The console: asks the API every few seconds and shows the answers. All text goes
// in as text nodes, never as markup, so that a label may hold what it likes.

const every = 4000; // ms between looks
const wait = 10000; // ms until a request counts as lost
const longSilence = 5 * 60e3; // ms without a sample: Prometheus scrapes every minute by default

const page = (id) => document.getElementById(id);

// ---- small things -------------------------------------------------------------

// element makes <tag>; children are elements or text.
function element(tag, attributes = {}, ...children) {
	const e = document.createElement(tag);
	for (const [name, value] of Object.entries(attributes)) e.setAttribute(name, value);
	e.append(...children.filter((c) => c !== null));
	return e;
}

function drawing(tag, attributes = {}, text = '') {
	const e = document.createElementNS('http://www.w3.org/2000/svg', tag);
	for (const [name, value] of Object.entries(attributes)) e.setAttribute(name, value);
	if (text) e.textContent = text;
	return e;
}

// scaled writes so many digits and the prefix that leaves at most three before the point.
function scaled(v, base, prefixes, digits = 3) {
	let n = 0;
	while (Math.abs(v) >= 999.5 && n < prefixes.length - 1) [v, n] = [v / base, n + 1];
	return Number(v.toPrecision(digits)) + prefixes[n];
}

const number = (v, digits) => v === null || v === undefined ? '–' : scaled(v, 1000, ['', 'k', 'M', 'G', 'T', 'P', 'E'], digits);
const bytes = (v, digits) => scaled(v, 1024, [' B', ' KiB', ' MiB', ' GiB', ' TiB', ' PiB', ' EiB'], digits);

// quantity writes v in the unit that the metric's name ends in. What is scored of a
// counter is its rate: of bytes so many a second, of seconds a share of the time.
function quantity(v, metric) {
	const [, unit, total] = /_(bytes|seconds)(_total|_sum)?$/.exec(metric || '') || [];
	if (v === null || v === undefined || !unit) return number(v);
	if (unit === 'bytes') return bytes(v) + (total ? '/s' : '');
	if (total) return number(v);
	if (/time(stamp)?_seconds$/.test(metric) && v > 1e9) return calendar.format(new Date(v * 1000));
	if (v !== 0 && Math.abs(v) < 1) return Math.abs(v) < 1e-3 ? `${number(v * 1e6)} µs` : `${number(v * 1e3)} ms`;
	return v < 60 ? `${number(v)} s` : duration(v * 1000);
}

function duration(ms) {
	const s = Math.max(0, Math.round(ms / 1000));
	if (s < 60) return `${s} s`;
	if (s < 3600) return `${Math.floor(s / 60)} min`;
	if (s < 86400) return `${Math.floor(s / 3600)} h ${Math.floor((s % 3600) / 60)} min`;
	return `${Math.floor(s / 86400)} d ${Math.floor((s % 86400) / 3600)} h`;
}

const clock = new Intl.DateTimeFormat('en-GB', {hour: '2-digit', minute: '2-digit', second: '2-digit'});
const calendar = new Intl.DateTimeFormat('en-GB', {
	day: 'numeric', month: 'short', year: 'numeric', hour: '2-digit', minute: '2-digit', second: '2-digit', timeZoneName: 'longOffset',
});

// moment is a time of day, with its date where that was not today.
function moment(at) {
	const t = new Date(at), whole = calendar.format(t);
	return element('time', {datetime: t.toISOString(), title: whole}, Date.now() - t < 20 * 3600e3 ? clock.format(t) : whole);
}

async function ask(path) {
	const answer = await fetch(path, {signal: AbortSignal.timeout(wait), headers: {Accept: 'application/json'}});
	const body = await answer.json();
	if (body.status !== 'success') throw new Error(body.error || `HTTP ${answer.status}`);
	return body.data;
}

// ---- input --------------------------------------------------------------------

let looks = []; // samples taken in and when, over the last minute: requests come in bursts

// rate is the samples a second over the last minute; null while it is not known.
function rate(samples) {
	const at = performance.now();
	if (looks.length && samples < looks[looks.length - 1].samples) looks = []; // the process was restarted
	looks = [...looks.filter((l) => at - l.at < 60e3), {samples, at}];
	const seconds = (at - looks[0].at) / 1000;
	return seconds < 1 ? null : (samples - looks[0].samples) / seconds;
}

function showInput(status) {
	const share = status.series ? Math.round(100 * status.warming / status.series) : 0;
	const newest = status.now === null ? null : Date.parse(status.now);
	const persecond = rate(status.samples);
	const facts = [
		['sees', status.blind ? `nothing for ${duration(Date.now() - Date.parse(status.blindSince))}` : status.samples ? 'all that comes' : 'nothing yet'],
		['samples a second', persecond === null ? '…' : number(persecond)],
		['samples in all', number(status.samples)],
		['series', number(status.series)],
		['warming up', status.warming ? `${number(status.warming)} (${share} %)` : 'none'],
		['newest sample', newest === null ? 'none yet' : `${duration(Date.now() - newest)} ago`],
		['late or refused', number(status.late + status.refused)],
	];
	page('input').replaceChildren(...facts.map(([name, value]) => element('div', {}, element('dt', {}, name), element('dd', {}, value))));
}

// ---- incidents ----------------------------------------------------------------

// together says how many series of a place are odd, and which of them most.
function together({odd, of, loudest}) {
	const count = odd ? `${number(odd)} of ${number(of)} series unlike themselves` : `${number(of)} series unlike themselves together, none by itself`;
	return loudest.series ? `${count}, most of all ${loudest.series} at ${deviation('outlier', loudest)}` : count;
}

// deviation says how far from expected a member was.
function deviation(kind, m) {
	if (m.company) return `${together(m.company)}, score ${number(m.peak)}`;
	const text = (v) => quantity(v, m.metric.__name__);
	if (kind === 'breach') {
		const when = m.etaSeconds > 0 ? `in ${duration(m.etaSeconds * 1000)}` : 'now';
		return `${text(m.value)}, reaches ${text(m.limit)} ${when}`;
	}
	if (kind === 'crossing') return `${text(m.value)}, ${m.above ? 'above' : 'below'} its limit ${text(m.bound)}`;
	if (kind === 'absence') {
		if (m.silentTargets > 0) return `not heard: ${m.silentTargets === 1 ? 'the whole target' : `${number(m.silentTargets)} targets`}, ${number(m.silentSeries)} series`;
		return `not heard${m.silentSeries > 1 ? `, ${number(m.silentSeries)} series` : ''}, while ${number(m.livingSiblings)} siblings go on`;
	}
	if (m.lower === null || m.upper === null) return m.peak === undefined ? text(m.value) : `${text(m.value)}, score ${number(m.peak)}`;
	return `${text(m.value)} where ${text(m.lower)} to ${text(m.upper)} was expected`;
}

// placeOf names the place whose series alert together.
function placeOf(metric) {
	return Object.entries(metric).filter(([k]) => k !== '__name__' && k !== 'rule').map(([k, v]) => `${k} ${v}`).join(', ');
}

// logs says what one source of logs knows about the time around the onset.
function logs(e) {
	if (e.notAvailable) return element('div', {class: 'quiet'}, `logs of ${e.source}: not available: ${e.notAvailable}`);
	const lines = (all) => (all || []).map((c) => element('li', {}, `${number(c.lines)} × ${c.name}`));
	return element('div', {},
		`logs of ${e.source}: ${number(e.lines)} lines from `, moment(e.from), ' to ', moment(e.to),
		element('ul', {}, ...lines(e.by), ...lines(e.patterns)));
}

function incidentItem(i, open) {
	const {lead} = i;
	const others = i.memberCount - 1;
	const name = !lead ? i.id : lead.company ? placeOf(lead.metric) : lead.metric.__name__ || lead.series;
	const since = i.endsAt
		? ['lasted ', duration(Date.parse(i.endsAt) - Date.parse(i.startsAt)), ', until ', moment(i.endsAt)]
		: ['since ', moment(i.startsAt), `, ${duration(Date.now() - Date.parse(i.startsAt))} ago`];
	const members = i.members.map((m) => element('li', {},
		moment(m.onset), ' ', m.company ? placeOf(m.metric) : seriesLink(m.series), ` ${deviation(i.kind, m)}`, m.channel ? ` (${m.channel})` : '', m.endedAt ? ', over' : ''));
	const unlisted = i.memberCount - members.length;
	if (unlisted > 0) members.push(element('li', {}, `and ${unlisted} more`));
	const more = element('details', {'data-id': i.id}, element('summary', {}, others > 0 ? `${others + 1} series, first to last` : 'the series'), element('ul', {}, ...members));
	more.open = open;
	more.append(...(i.evidence || []).map(logs));
	return element('li', {class: i.state},
		element('div', {},
			element('span', {class: 'what'}, others > 0 && !lead.company ? `${name} and ${others} more` : name), ' ',
			element('span', {class: 'state'}, i.state + (i.state === 'firing' && !i.alerting ? ', no rule tells anyone' : ''))),
		element('div', {}, lead ? `${deviation(i.kind, lead)}, ` : '', ...since),
		element('div', {class: 'chips'}, ...Object.entries(i.labels).map(([k, v]) => element('span', {}, `${k}=${v}`))),
		more);
}

// calm is what can honestly be said when no incident is open.
function calm(status) {
	const silence = Date.now() - Date.parse(status.now);
	if (!status.samples) return element('li', {}, element('span', {class: 'error'}, 'Nothing is known. '), 'No sample has arrived yet: point a remote_write at /api/v1/write.');
	if (status.blind) return element('li', {}, element('span', {class: 'error'}, 'Blind. '), `Nothing is judged and no remedy runs since `, moment(status.blindSince), `: ${status.blindWhy}.`);
	if (silence > longSilence) return element('li', {}, element('span', {class: 'error'}, 'Nothing is known. '), `The newest sample is ${duration(silence)} old.`);
	if (status.warming === status.series) return element('li', {}, 'Nothing is known yet: every series is still warming up.');
	return element('li', {}, element('span', {class: 'calm'}, 'Nothing is wrong. '), element('span', {class: 'quiet'}, 'No series behaves unlike itself.'));
}

function showIncidents(incidents, status) {
	const list = page('incidents');
	const opened = new Set([...list.querySelectorAll('details[open]')].map((d) => d.dataset.id));
	const lasting = incidents.filter((i) => i.state !== 'resolved');
	const over = incidents.filter((i) => i.state === 'resolved');
	const items = [...lasting, ...over.slice(0, 10)].map((i) => incidentItem(i, opened.has(i.id)));
	if (!lasting.length) items.unshift(calm(status));
	list.replaceChildren(...items);
	document.title = lasting.length ? `(${lasting.length}) Foreshock` : 'Foreshock';
}

// ---- series -------------------------------------------------------------------

// seriesLink looks the series up on this page.
function seriesLink(series) {
	const link = element('a', {href: '?' + new URLSearchParams({match: series})}, series);
	link.addEventListener('click', (event) => {
		event.preventDefault();
		page('match').value = series;
		lookup();
	});
	return link;
}

function plot(series) {
	const width = Math.max(260, page('series').clientWidth - 36); // a unit is a pixel
	const height = 150, left = 62, right = 12, top = 10, bottom = 22;
	const points = series.samples.filter(([, v]) => v !== null);
	const svg = drawing('svg', {viewBox: `0 0 ${width} ${height}`, class: 'plot', role: 'img', 'aria-label': `${series.series} over time`});
	if (!points.length) return element('p', {class: 'quiet'}, 'No samples in the window.');
	const times = points.map(([t]) => t), values = points.map(([, v]) => v);
	// What was expected of a counter is a rate, which has no place among its counts.
	const band = series.kind !== 'counter' && series.last.lower !== null && series.last.upper !== null ? [series.last.lower, series.last.upper] : null;
	let low = Math.min(...values), high = Math.max(...values);
	if (low === high) [low, high] = [low - (Math.abs(low) / 10 || 1), high + (Math.abs(high) / 10 || 1)];
	const from = times[0], span = times[times.length - 1] - from || 1;
	const x = (t) => left + (width - left - right) * (t - from) / span;
	const y = (v) => top + (height - top - bottom) * (high - Math.min(Math.max(v, low), high)) / (high - low);
	// As many digits as tell the lines apart, however far from zero they are.
	const digits = Math.min(6, Math.max(3, 1 + Math.ceil(Math.log10(2 * Math.max(Math.abs(low), Math.abs(high)) / (high - low)))));
	const tick = /_bytes(_total|_sum)?$/.test(series.metric.__name__) ? bytes : number;
	for (const v of [low, (low + high) / 2, high]) {
		svg.append(drawing('line', {class: 'grid', x1: left, x2: width - right, y1: y(v), y2: y(v)}));
		svg.append(drawing('text', {x: left - 6, y: y(v) + 4, 'text-anchor': 'end'}, tick(v, digits)));
	}
	if (band) svg.append(drawing('rect', {class: 'band', x: width - right - 14, width: 14, y: y(band[1]), height: Math.max(1, y(band[0]) - y(band[1]))}));
	// More than five usual intervals without a sample interrupt the line.
	const steps = times.slice(1).map((t, i) => t - times[i]).sort((a, b) => a - b);
	const gap = 5 * (steps[Math.floor(steps.length / 2)] || Infinity);
	let path = '';
	points.forEach(([t, v], i) => { path += `${i === 0 || t - times[i - 1] > gap ? 'M' : 'L'}${x(t).toFixed(1)},${y(v).toFixed(1)}`; });
	svg.append(drawing('path', {class: 'value', d: path}));
	const [lastT, lastV] = points[points.length - 1];
	svg.append(drawing('circle', {class: series.last.score > 1 ? 'dot anomalous' : 'dot', cx: x(lastT), cy: y(lastV), r: 3.5}));
	svg.append(drawing('text', {x: left, y: height - 6}, clock.format(new Date(from))));
	svg.append(drawing('text', {x: width - right, y: height - 6, 'text-anchor': 'end'}, calendar.format(new Date(lastT))));
	return svg;
}

// because says why a series did or did not alert, as of its newest sample.
function because(why) {
	const by = why.channels.slice(0, 3).map((c) => `${c.channel} ${number(c.score)}`).join(', ');
	return element('div', {class: 'quiet'}, `${why.reason}: ${why.because}`, by ? `; isolated by ${by}` : '');
}

function seriesItem(s, why) {
	const said = [s.kind || 'series'];
	if (s.ended) said.push('ended');
	if (s.inherited) said.push(`started as ${s.inherited}`);
	if (s.warming) said.push('warming up');
	else said.push(`score ${number(s.last.score)}${s.last.score > 1 ? ', anomalous' : ''}`);
	if (s.last.lower !== null && s.last.upper !== null) {
		const text = (v) => quantity(v, s.metric.__name__);
		said.push(`${text(s.last.value)}${s.kind === 'counter' ? ' as a rate' : ''} where ${text(s.last.lower)} to ${text(s.last.upper)} is expected`);
	}
	said.push(s.rule ? `watched by ${s.rule}` : 'no rule watches it');
	return element('li', {}, element('div', {class: 'name'}, s.series), element('div', {class: 'quiet'}, said.join(' · ')), why ? because(why) : null, plot(s));
}

async function lookup() {
	const match = page('match').value.trim();
	const address = match ? '?' + new URLSearchParams({match}) : location.pathname;
	history.replaceState(null, '', address);
	if (!match) {
		page('lookup-error').textContent = '';
		page('series').replaceChildren();
		return;
	}
	try {
		const found = await ask('/api/v1/windows?' + new URLSearchParams({'match[]': match, limit: 20}));
		// One series is explained; without an explanation it is shown all the same.
		const why = found.length === 1 ? await ask('/api/v1/explain?' + new URLSearchParams({series: found[0].series})).catch(() => null) : null;
		if (page('match').value.trim() !== match) return; // another question was asked since
		page('lookup-error').textContent = '';
		page('series').replaceChildren(...(found.length ? found.map((s) => seriesItem(s, why)) : [element('li', {}, 'No series matches.')]));
	} catch (error) {
		page('lookup-error').textContent = error.message;
		page('series').replaceChildren();
	}
}

// ---- the loop -----------------------------------------------------------------

let heard = null; // when the process last answered

async function look() {
	try {
		const [status, incidents] = await Promise.all([ask('/api/v1/status'), ask('/api/v1/incidents')]);
		showInput(status);
		showIncidents(incidents, status);
		heard = Date.now();
		page('connection').className = '';
		page('connection').textContent = `as of ${calendar.format(new Date(heard))}`;
	} catch (error) {
		page('connection').className = 'lost';
		page('connection').textContent = heard === null ? `No answer: ${error.message}` : `No answer for ${duration(Date.now() - heard)}; what is shown is old. ${error.message}`;
	}
}

// again looks now and every few seconds; a hidden page rests.
async function again() {
	if (!document.hidden) {
		await look();
		if (page('match').value && document.activeElement !== page('match')) await lookup();
	}
	setTimeout(again, every);
}

page('lookup').addEventListener('submit', (event) => {
	event.preventDefault();
	lookup();
});
page('match').value = new URLSearchParams(location.search).get('match') || '';
document.addEventListener('visibilitychange', () => { if (!document.hidden) look(); });
again();
