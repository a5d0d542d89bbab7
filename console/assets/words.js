// How numbers, units, times and series are written for people.

// scaled writes so many digits and the prefix that leaves at most three before the point.
function scaled(v, base, prefixes, digits = 3) {
	let n = 0;
	while (Math.abs(v) >= 999.5 && n < prefixes.length - 1) [v, n] = [v / base, n + 1];
	return Number(v.toPrecision(digits)) + prefixes[n];
}

export const none = '–';
export const number = (v, digits) => v === null || v === undefined ? none : scaled(v, 1000, ['', 'k', 'M', 'G', 'T', 'P', 'E'], digits);
export const bytes = (v, digits) => v === null || v === undefined ? none : scaled(v, 1024, [' B', ' KiB', ' MiB', ' GiB', ' TiB', ' PiB', ' EiB'], digits);
export const many = (n, one, more = one + 's') => `${number(n)} ${n === 1 ? one : more}`;

// unitOf is what a metric's name ends in; of a counter its rate is scored.
export function unitOf(metric) {
	const [, unit, total] = /_(bytes|seconds)(_total|_sum)?$/.exec(metric || '') || [];
	if (!unit) return /_total$/.test(metric || '') ? 'per second' : '';
	if (unit === 'bytes') return total ? 'bytes/s' : 'bytes';
	return total ? 'seconds per second' : 'seconds';
}

// quantity writes v in the unit that the metric's name ends in. What is scored of a
// counter is its rate: of bytes so many a second, of seconds a share of the time.
export function quantity(v, metric, digits) {
	const [, unit, total] = /_(bytes|seconds)(_total|_sum)?$/.exec(metric || '') || [];
	if (v === null || v === undefined || !unit) return number(v, digits);
	if (unit === 'bytes') return bytes(v, digits) + (total ? '/s' : '');
	if (total) return number(v, digits);
	if (/time(stamp)?_seconds$/.test(metric) && v > 1e9) return whole(v * 1000);
	if (v !== 0 && Math.abs(v) < 1) return Math.abs(v) < 1e-3 ? `${number(v * 1e6, digits)} µs` : `${number(v * 1e3, digits)} ms`;
	return v < 60 ? `${number(v, digits)} s` : duration(v * 1000);
}

export function duration(ms) {
	const s = Math.max(0, Math.round(ms / 1000));
	if (s < 60) return `${s} s`;
	if (s < 3600) return `${Math.floor(s / 60)} min`;
	if (s < 86400) return `${Math.floor(s / 3600)} h ${Math.floor((s % 3600) / 60)} min`;
	return `${Math.floor(s / 86400)} d ${Math.floor((s % 86400) / 3600)} h`;
}

const clockFormat = new Intl.DateTimeFormat('en-GB', {hour: '2-digit', minute: '2-digit', second: '2-digit'});
const dayFormat = new Intl.DateTimeFormat('en-GB', {day: 'numeric', month: 'short', hour: '2-digit', minute: '2-digit'});
const wholeFormat = new Intl.DateTimeFormat('en-GB', {
	day: 'numeric', month: 'short', year: 'numeric', hour: '2-digit', minute: '2-digit', second: '2-digit', timeZoneName: 'longOffset',
});
export const whole = (at) => wholeFormat.format(new Date(at));
// clock is a time of day, with its date where that was not of late.
export const clock = (at) => Math.abs(Date.now() - new Date(at)) < 20 * 3600e3 ? clockFormat.format(new Date(at)) : dayFormat.format(new Date(at));

// zone is the offset of the times that are shown.
export function zone(at = new Date()) {
	const m = -at.getTimezoneOffset();
	return `UTC${m < 0 ? '−' : '+'}${String(Math.floor(Math.abs(m) / 60)).padStart(2, '0')}:${String(Math.abs(m) % 60).padStart(2, '0')}`;
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
