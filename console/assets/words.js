// How numbers, units, times and series are written for people.

// scaled writes so many digits and the prefix that leaves three at most before the point;
// up to most there is none.
function scaled(v, base, prefixes, digits = 3, most = 999.5) {
	let n = 0;
	while (Math.abs(v) >= (n ? 999.5 : most) && n < prefixes.length - 1) [v, n] = [v / base, n + 1];
	return (Math.abs(v) >= 1e6 ? v.toExponential(2) : Number(v.toPrecision(Math.abs(v) >= 999.5 ? Math.max(4, digits) : digits))) + prefixes[n];
}

// Between a number and its unit no line is broken.
export const none = '–';
export const number = (v, digits) => v === null || v === undefined ? none : scaled(v, 1000, ['', 'k', 'M', 'G', 'T', 'P', 'E'], digits, 9999.5);
export const bytes = (v, digits) => v === null || v === undefined ? none : scaled(v, 1024, ['\u00a0B', '\u00a0KiB', '\u00a0MiB', '\u00a0GiB', '\u00a0TiB', '\u00a0PiB', '\u00a0EiB'], digits);
export const percent = (share) => share > 0 && share < 0.005 ? 'under\u00a01\u00a0%' : `${Math.round(100 * share)}\u00a0%`;
export const many = (n, one, more = one + 's') => `${number(n)} ${n === 1 ? one : more}`;

// unitOf is what quantity does not write beside a metric's number: of a counter the rate is
// scored.
export function unitOf(metric) {
	const [, unit, total] = /_(bytes|seconds)?_?(total|sum)?$/.exec(metric || '') || [];
	if (!total || unit === 'bytes') return '';
	return unit ? 'seconds per second' : 'per second';
}

// instant reports whether v is a moment, in seconds since 1970, by its metric's name.
export const instant = (metric, v) => /time(stamp)?_seconds$/.test(metric || '') && v > 1e9 && v < 1e11;

// quantity writes v in the unit that the metric's name ends in. What is scored of a
// counter is its rate: of bytes so many a second, of seconds a share of the time.
export function quantity(v, metric, digits) {
	const [, unit, total] = /_(bytes|seconds|ratio|percent|celsius)(_total|_sum)?(?:_mean|_p50|_p99)?$/.exec(metric || '') || [];
	if (v === null || v === undefined || !unit) return number(v, digits);
	if (unit === 'ratio') return `${number(100 * v, digits)}\u00a0%`;
	if (unit === 'percent') return `${number(v, digits)}\u00a0%`;
	if (unit === 'celsius') return `${number(v, digits)}\u00a0°C`;
	if (unit === 'bytes') return bytes(v, digits) + (total ? '/s' : '');
	if (total) return number(v, digits);
	if (instant(metric, v)) return whole(v * 1000);
	if (v !== 0 && Math.abs(v) < 1) return Math.abs(v) < 1e-3 ? `${number(v * 1e6, digits)}\u00a0µs` : `${number(v * 1e3, digits)}\u00a0ms`;
	return Math.abs(v) < 60 ? `${number(v, digits)}\u00a0s` : (v < 0 ? '−' : '') + duration(Math.abs(v) * 1000);
}

// duration has two units at most, of which the second is none of nothing.
export function duration(ms) {
	const s = Math.max(0, Math.round(ms / 1000));
	const two = (n, unit, rest, smaller) => `${number(n)}\u00a0${unit}` + (rest && n < 1000 ? `\u00a0${rest}\u00a0${smaller}` : '');
	if (s < 60) return two(s, 's');
	if (s < 3600) return two(Math.floor(s / 60), 'min');
	if (s < 86400) return two(Math.floor(s / 3600), 'h', Math.floor((s % 3600) / 60), 'min');
	return two(Math.floor(s / 86400), 'd', Math.floor((s % 86400) / 3600), 'h');
}

export const two = (n) => String(n).padStart(2, '0');
const clockFormat = new Intl.DateTimeFormat('en-GB', {hour: '2-digit', minute: '2-digit', second: '2-digit'});
const dateFormat = new Intl.DateTimeFormat('en-GB', {day: 'numeric', month: 'short'});
const dayFormat = new Intl.DateTimeFormat('en-GB', {day: 'numeric', month: 'short', hour: '2-digit', minute: '2-digit'});
const wholeFormat = new Intl.DateTimeFormat('en-GB', {
	day: 'numeric', month: 'short', year: 'numeric', hour: '2-digit', minute: '2-digit', second: '2-digit', timeZoneName: 'longOffset',
});
export const day = (at) => dateFormat.format(new Date(at));
export const whole = (at) => wholeFormat.format(new Date(at));
// clock is a time of day, with its date where that was not of late.
export const clock = (at) => Math.abs(Date.now() - new Date(at)) < 20 * 3600e3 ? clockFormat.format(new Date(at)) : dayFormat.format(new Date(at));

// zone is the offset of the times that are shown.
export function zone(at = new Date()) {
	const m = -at.getTimezoneOffset();
	return `UTC${m < 0 ? '−' : '+'}${two(Math.floor(Math.abs(m) / 60))}:${two(Math.abs(m) % 60)}`;
}

// eta is when a limit is crossed, with the interval that holds it.
export function eta(f) {
	if (f.etaSeconds === null || f.etaSeconds === undefined) return 'not foreseen';
	const by = f.etaSeconds > 0 ? `in ${duration(f.etaSeconds * 1000)}` : 'now';
	if (f.soonestSeconds === null || f.soonestSeconds === undefined) return by;
	const [from, to] = [duration(f.soonestSeconds * 1000), f.latestSeconds === null ? 'maybe never' : duration(f.latestSeconds * 1000)];
	return from === to ? by : `${by} (${from} to ${to})`;
}

// together says how many series of a place are odd, and which of them most.
function together({odd, of, loudest}) {
	const count = odd ? `${number(odd)} of ${number(of)} series unlike themselves` : `${number(of)} series unlike themselves together, none by itself`;
	return loudest && loudest.series ? `${count}, most of all ${loudest.series} at ${deviation('outlier', loudest)}` : count;
}

// deviation says how far from expected a member was.
export function deviation(kind, m) {
	if (m.company) return `${together(m.company)}, score ${number(m.peak)}`;
	const text = (v) => quantity(v, m.metric.__name__);
	if (kind === 'breach') return `${text(m.value)}, reaches ${text(m.limit)} ${eta(m)}`;
	if (kind === 'crossing') return `${text(m.value)}, ${m.above ? 'above' : 'below'} its limit ${text(m.bound)}`;
	if (kind === 'absence') {
		if (m.silentTargets > 0) return `not heard: ${m.silentTargets === 1 ? 'the whole target' : `${number(m.silentTargets)} targets`}, ${number(m.silentSeries)} series`;
		return `not heard${m.silentSeries > 1 ? `, ${number(m.silentSeries)} series` : ''}, while ${number(m.livingSiblings)} siblings go on`;
	}
	if (m.lower === null || m.upper === null) return m.peak === undefined ? text(m.value) : `${text(m.value)}, score ${number(m.peak)}`;
	return `${text(m.value)} where ${text(m.lower)} to ${text(m.upper)} was expected`;
}

// place names the place whose series alert together.
export const place = (metric) => Object.entries(metric).filter(([k]) => k !== '__name__' && k !== 'rule').map(([k, v]) => `${k} ${v}`).join(', ');

// title is what an incident is called in a list.
export function title(i) {
	if (!i.lead) return i.id;
	const name = i.lead.company ? place(i.lead.metric) : i.lead.metric.__name__ || i.lead.series;
	const others = i.memberCount - 1;
	return others > 0 && !i.lead.company ? `${name} and ${number(others)} more` : name;
}

// at is where an incident is, as short as its labels allow: its title is a metric's name.
export function at({labels, lead}) {
	const told = ['pod', 'instance', 'node', 'service', 'job'].find((l) => labels && labels[l]);
	return told && !(lead && lead.company) ? ` at ${labels[told]}` : '';
}
