// Now: what is wrong, what will be next, and whether anything is seen at all.
import {html, useEffect, useMemo, useState} from '../ui.js';
import {at, deviation, duration, eta, number, quantity, bytes, many, percent} from '../words.js';
import {ask, useAsk, useTick} from '../live.js';
import {Age, Badge, Fact, Failure, IncidentLink, SeriesLink, Sparkline, Table, Text, Time, severityOf, stateWord, toneOf} from '../parts.js';

const listed = 50; // incidents of a page; more are asked for when wanted
const longSilence = 5 * 60e3; // ms without a sample: Prometheus scrapes every minute by default

let looks = []; // samples taken in and when, over the last minute: requests come in bursts

// rate is the samples a second over the last minute; null while it is not known.
function rate(samples) {
	const at = performance.now(), newest = looks[looks.length - 1];
	if (newest && samples < newest.samples) looks = []; // the process was restarted
	if (!newest || newest.samples !== samples) looks = [...looks.filter((l) => at - l.at < 60e3), {samples, at}];
	const seconds = (looks[looks.length - 1].at - looks[0].at) / 1000;
	return seconds < 1 ? null : (samples - looks[0].samples) / seconds;
}

// headline is what can honestly be said in one line.
function headline(s) {
	const silence = Date.now() - Date.parse(s.now);
	if (!s.samples) return ['alarm', 'Nothing is known.', 'No sample has arrived yet: point a remote_write at /api/v1/write.'];
	if (s.blind) return ['alarm', 'Blind.', `Nothing is judged and no remedy runs since ${duration(Date.now() - Date.parse(s.blindSince))}: ${s.blindWhy}.`];
	if (silence > longSilence) return ['alarm', 'Nothing is known.', `The newest sample is ${duration(silence)} old.`];
	if (s.open) return [s.firing ? 'alarm' : 'watch', `${many(s.open, 'incident')} open.`, s.firing === s.open ? '' : s.firing ? `${number(s.firing)} of them ${s.firing === 1 ? 'fires' : 'fire'}.` : 'None fires yet.'];
	if (s.warming === s.series) return ['watch', 'Nothing is known yet.', 'Every series is still warming up.'];
	return ['calm', 'Nothing is wrong.', 'No series behaves unlike itself.'];
}

// Line is drawn again only when i is another.
function Line({i}) {
	return useMemo(() => line(i), [i]);
}

function line(i) {
	const {lead, causes} = i;
	const cause = causes && causes[0];
	const kind = severityOf(i);
	return html`<li class=${`line ${toneOf(kind)}`} data-line=${i.id}>
		<${Badge} kind=${kind}>${i.severity || stateWord(i)}<//>
		<div class="what"><${IncidentLink} i=${i} /> <span class="say"><${Text} of=${lead ? deviation(i.kind, lead) + at(i) : ''} /></span></div>
		<div class="cause quiet">${cause ? html`likely from <${Text} of=${cause.place} most=${80} /> (${percent(cause.confidence)})` : i.endsAt ? '' : 'cause not known'}</div>
		<div class="when quiet">${i.endsAt ? html`lasted ${duration(Date.parse(i.endsAt) - Date.parse(i.startsAt))}` : html`since <${Time} at=${i.startsAt} />, <${Age} at=${i.startsAt} />`}</div>
		<${Sparkline} points=${i.recent} name="last 30 min" />
	</li>`;
}

// Incidents are the open ones, a page at a time.
function Incidents({status}) {
	const open = useAsk(`/api/v1/incidents?state=open&members=0&recent=1&limit=${listed}`, 'incidents', 'status');
	const [more, setMore] = useState([]);
	const first = open.data || [];
	const ids = first.map((i) => i.id).join();
	useEffect(() => setMore([]), [ids]); // the pages after the first follow from it
	const all = [...first, ...more];
	const next = async () => {
		const page = await ask(`/api/v1/incidents?state=open&members=0&limit=${10 * listed}&after=${all[all.length - 1].id}`);
		setMore([...more, ...page]);
	};
	const hidden = status ? status.open - all.length : 0;
	return html`<${Failure} error=${open.error} />
		<ol class="lines" id="incidents">${all.map((i) => html`<${Line} key=${i.id} i=${i} />`)}</ol>
		${hidden > 0 && first.length >= listed ? html`<p><button class="plain" id="more" onClick=${next}>Show more: ${number(hidden)} are not listed</button></p>` : null}`;
}

function Resolved() {
	const over = useAsk('/api/v1/incidents?state=resolved&members=0&limit=8', 'incidents');
	if (!over.data || !over.data.length) return null;
	return html`<section><h2>Over</h2><ol class="lines over">${over.data.map((i) => html`<${Line} key=${i.id} i=${i} />`)}</ol></section>`;
}

function Next() {
	const soon = useAsk('/api/v1/forecasts?limit=10', 'status');
	return html`<section><h2>Next to cross a limit</h2><${Failure} error=${soon.error} />
		<${Table} empty="No series that a forecast rule watches is foreseen to cross its limit." heads=${['when', 'limit', 'series', 'rule']} rows=${(soon.data || []).map((f) => [
			eta(f), quantity(f.limit, f.metric.__name__), html`<${SeriesLink} series=${f.series} />`, html`<${Text} of=${f.rule || ''} />`])} /></section>`;
}

function Input({s}) {
	const persecond = rate(s.samples);
	const silence = s.now === null ? null : Date.now() - Date.parse(s.now);
	return html`<section><h2>Input</h2><dl class="facts">
		<${Fact} name="samples a second">${persecond === null ? '…' : number(persecond)}<//>
		<${Fact} name="series">${number(s.series)}<//>
		<${Fact} name="warming up">${s.warming ? `${number(s.warming)} (${percent(s.warming / s.series)})` : 'none'}<//>
		<${Fact} name="newest sample" alarm=${silence !== null && silence > longSilence}>${s.now === null ? 'none yet' : html`<${Age} at=${s.now} /> ago`}<//>
		<${Fact} name="sees" alarm=${s.blind}>${s.blind ? 'nothing' : s.samples ? 'all that comes' : 'nothing yet'}<//>
		<${Fact} name="late or refused" alarm=${s.refused > 0}>${number(s.late + s.refused)}<//>
		<${Fact} name="held of series">${bytes(s.memoryBytes)}<//>
	</dl></section>`;
}

function Budgets({s}) {
	return html`<section><h2>Alerts against their budget</h2><${Table} heads=${['scope', 'allowed a week', 'a week at the present rate', 'raw threshold']} empty="no budget" rows=${(s.budgets || []).map((b) => [
		html`<${Text} of=${b.scope} />`, b.budgetPerWeek ? number(b.budgetPerWeek) : 'any',
		html`<span class=${b.budgetPerWeek && b.realisedPerWeek > b.budgetPerWeek ? 'over' : ''}>${number(b.realisedPerWeek)}</span>`, number(b.threshold)])} /></section>`;
}

export default function Now() {
	useTick(5000);
	const status = useAsk('/api/v1/status', 'status', 'incidents');
	const s = status.data;
	useEffect(() => { document.title = s && s.open ? `(${s.open}) Foreshock` : 'Foreshock'; });
	const [kind, word, rest] = s ? headline(s) : ['quiet', 'Looking …', ''];
	return html`<h1 class=${`headline ${kind}`}>${word} <span>${rest}</span></h1>
		<${Failure} error=${status.error} />
		<${Incidents} status=${s} />
		<${Next} />
		${s ? html`<${Input} s=${s} /><${Budgets} s=${s} />` : null}
		<${Resolved} />`;
}
