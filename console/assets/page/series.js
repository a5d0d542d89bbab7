// Series: any series by matcher: how it went, what is expected and foreseen, and why it did
// or did not alert at an instant.
import {html, useEffect, useMemo, useRef, useState} from '../ui.js';
import {eta, many, number, quantity, unitOf, whole, zone} from '../words.js';
import {useAsk} from '../live.js';
import {Fact, Failure, SeriesLink, Table, Text, Time, href} from '../parts.js';
import {Chart} from '../chart.js';

const offered = 50; // completions

// wanted is what is being written at the end of text: a metric, a label's name or value.
function wanted(text) {
	const inside = /^\s*([a-zA-Z_:][a-zA-Z0-9_:]*)?\s*\{(.*)$/s.exec(text);
	if (!inside) return {what: 'metric', begun: text.trim(), head: ''};
	const [, metric = '', rest] = inside;
	const value = /(?:^|,)\s*([a-zA-Z_][a-zA-Z0-9_]*)\s*(=~|!=|!~|=)\s*"([^"]*)$/.exec(rest);
	if (value) return {what: 'value', metric, label: value[1], begun: value[3], head: text.slice(0, text.length - value[3].length)};
	const label = /(?:^|,)\s*([a-zA-Z_][a-zA-Z0-9_]*)?$/.exec(rest);
	if (label) return {what: 'label', metric, begun: label[1] || '', head: text.slice(0, text.length - (label[1] || '').length)};
	return {what: ''};
}

const escaped = (v) => v.replace(/\\/g, '\\\\').replace(/"/g, '\\"');

// useCompletions are whole texts that could be meant.
function useCompletions(text) {
	const w = wanted(text);
	const of = w.metric ? {'match[]': w.metric} : {};
	const path = w.what === 'metric' ? '/api/v1/label/__name__/values?limit=20000'
		: w.what === 'label' ? '/api/v1/labels?' + new URLSearchParams({...of, limit: 500})
			: w.what === 'value' ? `/api/v1/label/${encodeURIComponent(w.label)}/values?` + new URLSearchParams({...of, limit: 2000}) : null;
	const found = useAsk(path);
	return useMemo(() => {
		if (!found.data) return [];
		const begun = w.begun.toLowerCase();
		const fitting = found.data.filter((v) => v.length < 500 && v !== '__name__' && v.toLowerCase().includes(begun));
		fitting.sort((a, b) => b.toLowerCase().startsWith(begun) - a.toLowerCase().startsWith(begun) || (a < b ? -1 : 1));
		const tail = {metric: '', label: '="', value: '"}'}[w.what];
		return fitting.slice(0, offered).map((v) => w.head + (w.what === 'value' ? escaped(v) : v) + tail);
	}, [found.data, text]);
}

function Search({match, focus}) {
	const [text, write] = useState(match);
	const box = useRef(null);
	useEffect(() => write(match), [match]);
	useEffect(() => { if (focus && box.current) box.current.focus(); }, [focus]);
	const options = useCompletions(text);
	const go = (event) => {
		event.preventDefault();
		location.hash = href('series', '', {match: text.trim()});
	};
	return html`<form class="search" role="search" onSubmit=${go}>
		<label>Selector<input ref=${box} name="match" type="search" list="completions" value=${text} onInput=${(e) => write(e.target.value)} placeholder='node_load1{instance="web-1:9100"}' autocomplete="off" autocapitalize="off" spellcheck="false" /></label>
		<datalist id="completions">${options.map((o) => html`<option value=${o}></option>`)}</datalist>
		<button>Show</button></form>`;
}

// Why is the explanation of one instant.
function Why({series, metric, at}) {
	const why = useAsk('/api/v1/explain?' + new URLSearchParams({series, ...(at ? {at} : {})}), 'status');
	const e = why.data;
	if (!e) return html`<${Failure} error=${why.error} />`;
	const text = (v) => quantity(v, metric, 4);
	return html`<section><h2>${at ? html`Why, or why not, at ${whole(e.at || e.asked)}` : 'Why, or why not, now'}</h2>
		<p><strong>${e.reason}</strong>: <${Text} of=${e.because} most=${600} /></p>
		<dl class="facts">
			<${Fact} name="value">${text(e.value)}<//>
			<${Fact} name="expected">${e.lower === null ? 'not noted' : `${text(e.lower)} to ${text(e.upper)}`}<//>
			<${Fact} name="score" alarm=${e.score > 1}>${e.score === null ? 'below 0.5' : number(e.score)}<//>
			<${Fact} name="raw ÷ threshold θ">${e.raw === null ? 'not noted' : `${number(e.raw)} ÷ ${number(e.threshold)}`}<//>
			<${Fact} name="needed to alert">${number(e.needed)}<//>
			<${Fact} name="as rare as">${e.p ? `one in ${number(1 / e.p)}` : 'not known'}<//>
		</dl>
		${e.channels.length ? html`<p>Isolated by ${e.channels.slice(0, 6).map((c) => `${c.channel} ${number(c.score)}`).join(', ')}.</p>` : ''}
		${e.incident ? html`<p>Part of <a href=${href('incident', e.incident)}>incident ${e.incident}</a>.</p>` : ''}
		${e.together.length ? html`<h3>Moved with it</h3><ul>${e.together.map((m) => html`<li><${Time} at=${m.onset} /> <${SeriesLink} series=${m.series} at=${m.onset} /> <span class="quiet">peak ${number(m.peak)}${m.channel ? `, ${m.channel}` : ''}</span></li>`)}${e.unlisted ? html`<li class="quiet">and ${number(e.unlisted)} more</li>` : ''}</ul>` : ''}</section>`;
}

function Forecasts({all, metric}) {
	if (!all || !all.length) return null;
	const text = (v) => quantity(v, metric, 4);
	return html`<section><h2>Foreseen</h2><${Table} heads=${['rule', 'limit', 'crossed', 'ahead', 'foreseen then', 'made']} rows=${all.map((f) => [
		html`<${Text} of=${f.rule} />`, text(f.limit), eta(f), `${number(f.horizonSeconds / 3600)} h`, f.expected === null ? 'not known yet' : `${text(f.expected)} (${text(f.lower)} to ${text(f.upper)})`, html`<${Time} at=${f.at} />`])} /></section>`;
}

// here are values of so many an hour from midnight UTC, Monday's of a week, by the viewer's hours.
function here(values, anHour) {
	const length = values.length / anHour, offset = -new Date().getTimezoneOffset() / 60;
	return values.map((value, k) => ({hour: ((k + 0.5) / anHour + offset + length) % length, value})).sort((a, b) => a.hour - b.hour);
}

function Season({of, metric}) {
	const day = useMemo(() => of && here(of.day, 4), [of]);
	const week = useMemo(() => of && here(of.week, 1), [of]);
	if (!of) return html`<section><h2>Season</h2><p class="quiet">None is learned: a series is heard for a day first, and only one that moves is given a season.</p></section>`;
	return html`<section><h2>Season</h2><p class="quiet">${of.strong ? 'It explains enough of the series to count.' : 'It has not proved itself, and does not count.'} It moves about ${quantity(of.centre, metric, 4)}. Hours are of ${zone()}.</p>
		<div class="multiples"><div class="card"><h3>Over a day</h3><${Chart} kind="profile" points=${day} metric=${metric} name="season of the day" /></div>
		<div class="card"><h3>What a week adds, from Monday</h3><${Chart} kind="profile" points=${week} metric=${metric} name="season of the week" /></div></div></section>`;
}

// One is a series by itself.
function One({series, at}) {
	const course = useAsk('/api/v1/curve?' + new URLSearchParams({series, ...(at ? {at} : {})}), 'status');
	const s = course.data;
	useEffect(() => { document.title = `${series.slice(0, 60)} · Foreshock`; });
	if (!s) return html`<h1>Series</h1><${Failure} error=${course.error} />`;
	const metric = s.metric.__name__, text = (v) => quantity(v, metric, 4);
	const scored = s.points.some((p) => p.score !== null);
	const pick = (ms) => { location.hash = href('series', '', {match: series, at: new Date(ms).toISOString()}); };
	return html`<h1 class="mono"><${Text} of=${s.series} most=${400} /></h1>
		<p class="quiet">${s.kind || 'series'}${/counter|bucket/.test(s.kind) ? ', shown as a rate a second' : ''}${s.ended ? ', ended' : ''}${s.warming ? ', warming up' : ''}, ${s.rule ? html`watched by <a href=${href('rules', '', {rule: s.rule})}>${s.rule}</a>` : 'no rule watches it'}${s.inherited ? html`, started as <${Text} of=${s.inherited} />` : ''}</p>
		<dl class="facts"><${Fact} name=${unitOf(metric) ? `newest, ${unitOf(metric)}` : 'newest'}>${text(s.last.value)}<//>
			<${Fact} name="expected now">${s.last.lower === null ? 'not known yet' : `${text(s.last.lower)} to ${text(s.last.upper)}`}<//>
			<${Fact} name="score" alarm=${s.last.score > 1}>${s.warming ? 'warming up' : number(s.last.score)}<//>
			<${Fact} name="samples"><${Time} at=${s.window[0]} /> to <${Time} at=${s.window[1]} /><//></dl>
		<div class="card">${s.points.length ? html`<${Chart} points=${s.points} metric=${metric} height=${260} sync="series" pick=${pick} mark=${at} name="value and expected band" />
			${scored ? html`<${Chart} kind="score" points=${s.points} height=${140} sync="series" pick=${pick} mark=${at} name="score" />` : ''}
			<p class="quiet">${scored ? '' : 'No score of 0.5 or more is noted in this time. '}Bands and scores of the past are kept where they were emitted or near an anomaly. Click an instant to see why it did or did not alert.${at ? html` <a href=${href('series', '', {match: series})}>Back to now</a>` : ''}</p>`
			: html`<p class="quiet">No samples in the window.</p>`}</div>
		<${Forecasts} all=${s.forecasts} metric=${metric} />
		<${Why} series=${series} metric=${metric} at=${at} />
		<${Season} of=${s.season} metric=${metric} />`;
}

// Found are the series that a selector finds, or the only one.
function Found({match, at}) {
	const names = useAsk('/api/v1/windows?' + new URLSearchParams({'match[]': match, limit: 100, samples: 0}), 'incidents');
	const all = names.data;
	if (!all) return html`<h1>Series</h1><${Failure} error=${names.error} />`;
	const exact = all.find((s) => s.series === match);
	if (exact || all.length === 1) return html`<${One} series=${(exact || all[0]).series} at=${at} />`;
	if (!all.length) return html`<h1>Series</h1><p>No series matches. Its samples may not arrive, or it was forgotten: <a href=${href('status')}>limits and use</a>.</p>`;
	return html`<h1>Series</h1><p class="quiet">${all.length === 100 ? 'The first 100 series' : many(all.length, 'series', 'series')} by labels.</p>
		<${Table} heads=${['series', 'newest', 'score', 'rule']} rows=${all.map((s) => [html`<span data-line=${s.series}><${SeriesLink} series=${s.series} /></span>`, quantity(s.last.value, s.metric.__name__),
			s.warming ? 'warming up' : html`<span class=${s.last.score > 1 ? 'over' : ''}>${number(s.last.score)}</span>`, html`<${Text} of=${s.rule || '–'} />`])} />`;
}

function Odd() {
	const odd = useAsk('/api/v1/query?' + new URLSearchParams({query: 'topk(20, foreshock_anomaly_score > 0.5)'}), 'incidents');
	const rows = odd.data ? odd.data.result.map((r) => {
		const {__name__, for: name, ...labels} = r.metric;
		return {series: `${name}{${Object.entries(labels).map(([k, v]) => `${k}="${escaped(v)}"`).join(', ')}}`, score: Number(r.value[1])};
	}) : [];
	return html`<h1>Series</h1><h2>The oddest now</h2><${Failure} error=${odd.error} /><${Table} empty="No series is near an anomaly." heads=${['series', 'score']} rows=${rows.map((r) => [html`<span data-line=${r.series}><${SeriesLink} series=${r.series} /></span>`, number(r.score)])} />`;
}

export default function Series({parameters}) {
	const {match = '', at, focus} = parameters;
	useEffect(() => { if (!match) document.title = 'Series · Foreshock'; });
	return html`<${Search} match=${match} focus=${focus} />${match ? html`<${Found} key=${match} match=${match} at=${at} />` : html`<${Odd} />`}`;
}
