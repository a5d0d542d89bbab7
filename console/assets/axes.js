// What the axes of a chart say: steps that read well, and marks of which no two are alike.
import {day, instant, number, quantity, two} from './words.js';

const decades = (from, to) => [...Array(to - from).keys()].flatMap((n) => [1, 2, 2.5, 5].map((m) => m * 10 ** (from + n)));

// steps are how far the marks of a metric's axis may lie apart, by its unit; undefined is any
// decimal step.
export function steps(metric) {
	const [, unit] = /_(bytes|seconds)(?:_total|_sum)?$/.exec(metric || '') || [];
	if (unit === 'bytes') return [...Array(80).keys()].map((n) => 2 ** (n - 10));
	if (unit === 'seconds') return [...decades(-12, 1), 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10800, 21600, 43200, ...decades(0, 9).map((n) => 86400 * n)];
}

// marks are the values so far apart in as many digits as tell them from each other.
export function marks(values, step, metric) {
	if (instant(metric, values[0])) return values.map((v) => `${day(v * 1000)}\n${clockOf(new Date(v * 1000))}`);
	const most = Math.max(...values.map(Math.abs)) || 1;
	const digits = Math.min(15, Math.max(4, Math.floor(Math.log10(most)) - Math.floor(Math.log10(step)) + 2));
	const texts = values.map((v) => quantity(v, metric, digits));
	return new Set(texts).size === texts.length ? texts : values.map((v) => `${Number(v.toPrecision(digits))}\u00a0s`); // of long durations that hardly differ
}

const clockOf = (t) => `${two(t.getHours())}:${two(t.getMinutes())}`;

// times are of the day, with the day below where one begins, or days.
export function times(all, step) {
	let before = day(Date.now());
	return all.map((s) => {
		const t = new Date(s * 1000), date = day(t);
		if (step >= 86400) return date;
		const text = clockOf(t) + (step < 60 ? ':' + two(t.getSeconds()) : '');
		const begins = date !== before;
		before = date;
		return begins ? `${text}\n${date}` : text;
	});
}

// range is what an axis shows so that nothing lies on its edge; from is where it begins, if
// that is known.
export function range(low, high, from) {
	if (low === null || high === null || low === undefined) return [0, 1];
	if (from !== undefined) return [from, Math.max(high * 1.1, 1.5)];
	if (low === high) return [low - (Math.abs(low) / 10 || 1), high + (Math.abs(high) / 10 || 1)];
	const pad = (high - low) * 0.08;
	return [low - pad, high + pad];
}

// moments are how far the marks of a time axis may lie apart, in seconds: each is at most two
// and a half times the one before, so that a short axis has two of them at least.
const moments = [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10800, 21600, 43200, ...[1, 2, 3, 7, 14, 30, 60, 90, 180, 365].map((n) => 86400 * n)];

const font = '12px system-ui, "Liberation Sans", Arial, sans-serif';

// width is room for the marks of an upright axis; charts above each other are as wide, unless
// one has more to say.
function width(u, texts) {
	if (!texts) return 0;
	u.ctx.font = font;
	const pixels = Math.max(...texts.map((t) => Math.max(...String(t).split('\n').map((line) => u.ctx.measureText(line).width))));
	return Math.max(70, Math.ceil(pixels) + 18);
}

// axes are uPlot's, in the colours of ink and line. Hours are of a day or, beyond 24, a week.
export function axes({ink, line, metric, hours, tick}) {
	const axis = {stroke: ink, grid: {stroke: line, width: 1}, ticks: {stroke: line, size: 6}, font, gap: 5};
	const named = {values: (u, all) => all.map(hours <= 24 ? (h) => `${two(h)}:00` : weekday), incrs: hours <= 24 ? [1, 2, 3, 4, 6, 12] : [24, 48]};
	const timed = {values: (u, all, n, space, step) => times(all, step), incrs: moments};
	return [
		{...axis, ...(hours ? named : timed), space: (u, n, low, high) => hours > 24 ? 34 : high - low < 240 ? 60 : high - low < 172800 ? 37 : 44, size: (u, texts) => (texts || []).some((t) => String(t).includes('\n')) ? 48 : 32},
		{...axis, values: (u, all, n, space, step) => tick ? all.map(tick) : marks(all, step, metric), incrs: tick ? undefined : steps(metric), space: (u, n, low, high, room) => room < 120 ? 20 : 32, size: width},
	];
}

// weekday is the day that begins, or has begun, so many hours after Monday did.
export const weekday = (h) => ['Mon', 'Tue', 'Wed', 'Thu', 'Fri', 'Sat', 'Sun'][Math.floor(h / 24)];
