// A chart of one series: uPlot, loaded when the first is drawn, in the page's colours.
import {html, useEffect, useRef, useState} from './ui.js';
import {none, number, quantity, two, unitOf, zone} from './words.js';
import {axes, range, weekday} from './axes.js';

let loading = null;
function load() {
	loading = loading || new Promise((resolve, reject) => {
		const style = document.createElement('link');
		Object.assign(style, {rel: 'stylesheet', href: '/assets/lib/uplot.css'});
		const script = document.createElement('script');
		Object.assign(script, {src: '/assets/lib/uplot.js', onload: () => resolve(window.uPlot), onerror: () => reject(new Error('the chart library cannot be loaded'))});
		document.head.append(style, script);
	});
	return loading;
}

const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
// torn are the points with an empty one wherever more than five usual intervals are missing,
// so that no line is drawn over what is not known.
function torn(points) {
	const times = points.map((p) => Date.parse(p.at) / 1000);
	const steps = times.slice(1).map((t, i) => t - times[i]).sort((a, b) => a - b);
	const gap = 5 * (steps[Math.floor(steps.length / 2)] || Infinity);
	const x = [], kept = [];
	times.forEach((t, i) => {
		if (i && t - times[i - 1] > gap) { x.push((t + times[i - 1]) / 2); kept.push({}); }
		x.push(t);
		kept.push(points[i]);
	});
	const column = (name) => kept.map((p) => p[name] === undefined ? null : p[name]);
	return {x, column, held: (name) => hold(x, column(name))};
}

// hold has what was expected stand until more is known, a minute at most: of most samples
// nothing is noted.
function hold(x, values) {
	let last = -1;
	return values.map((v, i) => {
		if (v !== null) { last = i; return v; }
		return last >= 0 && x[i] - x[last] <= 60 ? values[last] : null;
	});
}

const kinds = {
	// value is a series and its expected band.
	value(points, metric) {
		const {x, column, held} = torn(points);
		const text = (u, v) => quantity(v, metric, 4);
		const edge = {stroke: 'transparent', band: true, value: text, points: {show: false}};
		return {
			data: [x, held('upper'), held('lower'), held('expected'), column('value')],
			series: [
				{...edge, label: 'expected up to'}, {...edge, label: 'from'},
				{label: 'about', stroke: colour('--soft'), dash: [4, 4], width: 1, value: text, points: {show: false}},
				{label: 'value', stroke: colour('--blue'), width: 1.6, value: text},
			],
			bands: [{series: [1, 2], fill: colour('--band') + '55'}],
			caption: unitOf(metric) ? `value, ${unitOf(metric)}` : 'value',
		};
	},
	// score is how anomalous it was: above the line at 1 it is.
	score(points) {
		// Only what is noted, between the ends of the time that is shown.
		const {x, column} = torn(points.filter((p, i) => p.score !== null || i === 0 || i === points.length - 1));
		return {
			data: [x, column('score'), x.map(() => 1)],
			series: [
				{label: 'score', stroke: colour('--hot'), width: 1.6, value: (u, v) => v === null ? 'below 0.5' : number(v), points: {size: 5}},
				{label: 'anomalous above', stroke: colour('--soft'), width: 1, dash: [2, 3], value: () => '1', points: {show: false}},
			],
			caption: 'score', tick: (v) => number(v), from: 0,
		};
	},
	// profile is what a season adds, by the hours of a day or a week.
	profile(points, metric) {
		return {
			data: [points.map((p) => p.hour), points.map((p) => p.value), points.map(() => 0)],
			series: [
				{label: 'above its level', stroke: colour('--blue'), width: 1.6, value: (u, v) => quantity(v, metric, 3), points: {show: false}},
				{label: 'its level', stroke: colour('--soft'), width: 1, dash: [2, 3], value: () => '0', points: {show: false}},
			],
			hours: points.length > 96 ? 168 : 24,
		};
	},
};

// moment is what a legend calls the place on the level axis.
const moment = (v) => `${new Date(v * 1000).toLocaleString('en-GB')} ${zone(new Date(v * 1000))}`;
const hour = (v, of) => `${of > 24 ? `${weekday(v)} ` : ''}${two(Math.floor(v % 24))}:${two(Math.round(60 * (v % 1)))}`;

// newest has a legend that no cursor speaks to say what is newest.
const newest = (u) => { if (u.cursor.idx === null || u.cursor.idx === undefined) u.setLegend({idx: u.data[0].length - 1}, false); };

// Chart draws points of that kind. pick is told the time, ms, that is clicked.
export function Chart({kind = 'value', points, metric, height = 190, sync, pick, name, mark, legend = true}) {
	const box = useRef(null), plot = useRef(null);
	const [error, fail] = useState(null);
	const [dark, darken] = useState(matchMedia('(prefers-color-scheme: dark)').matches);
	useEffect(() => {
		const m = matchMedia('(prefers-color-scheme: dark)');
		const f = () => darken(m.matches);
		m.addEventListener('change', f);
		return () => m.removeEventListener('change', f);
	}, []);
	useEffect(() => {
		let gone = false, watch = null;
		load().then((uPlot) => {
			if (gone || !box.current) return;
			const c = kinds[kind](points, metric);
			const made = new uPlot({
				width: box.current.clientWidth || 300, height,
				series: [{label: c.hours ? 'hour' : 'time', value: (u, v) => v === null ? none : c.hours ? hour(v, c.hours) : moment(v)}, ...c.series],
				bands: c.bands || [],
				scales: {x: c.hours ? {time: false, range: [0, c.hours]} : {time: true}, y: {range: (u, low, high) => range(low, high, c.from)}},
				axes: axes({ink: colour('--soft'), line: colour('--line'), metric, hours: c.hours, tick: c.tick}),
				cursor: {sync: sync ? {key: sync} : undefined, drag: {x: false, y: false}, points: {size: 7}},
				legend: {show: legend, markers: {fill: (u, i) => u.series[i].band ? colour('--band') + '88' : u.series[i].stroke(u, i), stroke: 'transparent'}},
				hooks: {draw: [(u) => lineAt(u, mark)], ...(legend ? {ready: [newest], setData: [newest], setCursor: [newest]} : {})},
			}, c.data, box.current);
			plot.current = made;
			if (pick) made.over.addEventListener('click', () => { if (made.cursor.left >= 0) pick(Math.round(made.posToVal(made.cursor.left, 'x') * 1000)); });
			watch = new ResizeObserver(() => { if (box.current && box.current.clientWidth) made.setSize({width: box.current.clientWidth, height}); });
			watch.observe(box.current);
		}).catch(fail);
		return () => { gone = true; if (watch) watch.disconnect(); if (plot.current) plot.current.destroy(); plot.current = null; };
	}, [kind, metric, dark, sync, height]);
	useEffect(() => { // new points move the chart that is there
		if (plot.current) plot.current.setData(kinds[kind](points, metric).data);
	}, [points]);
	if (error) return html`<p class="error">${error.message}</p>`;
	const {caption} = kinds[kind]([], metric);
	return html`<figure>${caption ? html`<figcaption class="quiet">${caption}</figcaption>` : ''}<div class="plot" ref=${box} role="img" aria-label=${name || kind}></div></figure>`;
}

// lineAt marks a moment.
function lineAt(u, mark) {
	if (!mark) return;
	const x = u.valToPos(Date.parse(mark) / 1000, 'x', true);
	if (x < u.bbox.left || x > u.bbox.left + u.bbox.width) return;
	const c = u.ctx;
	c.save();
	c.strokeStyle = colour('--alarm');
	c.setLineDash([3, 3]);
	c.beginPath();
	c.moveTo(x, u.bbox.top);
	c.lineTo(x, u.bbox.top + u.bbox.height);
	c.stroke();
	c.restore();
}
