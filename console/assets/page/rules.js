// Rules: what each watches, what came of it, and what it would have raised were it another.
import {html, useEffect, useState} from '../ui.js';
import {duration, many, number} from '../words.js';
import {useAsk} from '../live.js';
import {Fact, Failure, SeriesLink, Table, Text, Time, href} from '../parts.js';

const countOf = (n) => n === -2 ? 'not counted: too many series' : n < 0 ? '–' : number(n);

function WhatIf({rule}) {
	const [by, choose] = useState('factor');
	const [factor, setFactor] = useState(1);
	const [budget, setBudget] = useState(rule.budgetPerWeek || 2);
	const sensitivity = rule.sensitivity || 1;
	const w = useAsk(`/api/v1/rules/${encodeURIComponent(rule.name)}/whatif?` + new URLSearchParams(by === 'factor' ? {factor} : {budget}), 'incidents');
	const d = w.data;
	return html`<section class="card"><h2>What if <${Text} of=${rule.name} /> were set otherwise?</h2>
		<form onSubmit=${(e) => e.preventDefault()}><label>Change <select value=${by} onChange=${(e) => choose(e.target.value)}><option value="factor">sensitivity</option><option value="budget">budget</option></select></label>
			${by === 'factor' ? html`<label>Sensitivity ${number(sensitivity * factor)} (${number(factor)} × what it is) <input type="range" min="-6.6" max="6.6" step="0.05" value=${Math.log2(factor)} onInput=${(e) => setFactor(Number((2 ** e.target.value).toFixed(3)))} /></label>`
				: html`<label>Alerts a week <input type="number" min="0" max="10000" step="any" value=${budget} onInput=${(e) => { if (e.target.value !== '') setBudget(Number(e.target.value)); }} /></label>`}</form>
		<${Failure} error=${w.error} />
		${d ? html`<dl class="facts"><${Fact} name="alerts as it is">${number(d.now)}<//><${Fact} name="alerts as it would be">${d.then === null ? 'not noted' : number(d.then)}<//>
				<${Fact} name="sensitivity">${number(sensitivity * d.factor)}<//><${Fact} name="in the last">${d.since ? duration(Date.now() - Date.parse(d.since)) : 'nothing noted'}<//></dl>
			<${ByBudget} b=${d.budget} />
			<${Table} empty=${d.then === null ? 'No notes tell beyond twice the sensitivity.' : 'It would have raised nothing.'} heads=${['when', 'score', 'series']} rows=${d.alerts.map((a) => [html`<${Time} at=${a.at} />`, number(a.score), html`<${SeriesLink} series=${a.series} at=${a.at} />`])} />
			<p class="quiet">The single alerts are counted from the notes that are kept, for up to a day, of ${many(d.series, 'series', 'series')}: of samples that score half of what is anomalous or more, so beyond twice the sensitivity there are none. They are of series by themselves, also of such for which their place speaks; those of places, and what holds an alert back after another, are left out. Alerts within five minutes count as one.</p>` : ''}</section>`;
}

// ByBudget says how often those would have alerted that share the budget, places among them.
function ByBudget({b}) {
	if (!b) return html`<p class="quiet">How often it alerts a week is not known yet.</p>`;
	const who = b.rules > 1 ? html`all ${number(b.rules)} rules that share the budget <${Text} of=${b.name} />` : 'the rule, with its places,';
	return html`<p>By what keeps the budget ${who} would have raised <strong>${number(b.thenPerWeek)} alerts a week</strong>, and ${number(b.nowPerWeek)} as it is. <span class="quiet">Of the last ${duration(b.weeks * 7 * 86400e3)}, what is older weighing less${b.rules > 1 ? '; a budget of its own has it counted for the rule alone' : ''}.</span></p>`;
}

export default function Rules({parameters}) {
	const book = useAsk('/api/v1/rules', 'incidents');
	useEffect(() => { document.title = 'Rules · Foreshock'; });
	const all = book.data || [];
	const chosen = all.find((r) => r.name === parameters.rule);
	return html`<h1>Rules</h1><${Failure} error=${book.error} />
		${chosen && chosen.kind === 'watch' ? html`<${WhatIf} key=${chosen.name} rule=${chosen} />` : ''}
		<${Table} empty="No rule is loaded: everything is scored and shown, and nobody is told." heads=${['rule', 'kind', 'about', 'wants', 'series', 'alerts, last week', 'since start', 'last fired', 'cost of its expression']} rows=${all.map((r) => [
			r.kind === 'watch' ? html`<a href=${href('rules', '', {rule: r.name})} data-line=${r.name}><${Text} of=${r.name} /></a>` : html`<${Text} of=${r.name} />`, r.kind, html`<span class="mono"><${Text} of=${r.of} most=${160} /></span>`, html`<${Text} of=${r.wants} />`,
			countOf(r.series), /watch|forecast|limit/.test(r.kind) ? `${number(r.perWeek)}${r.budgetPerWeek ? ` of ${number(r.budgetPerWeek)}` : ''}` : '–', r.fired ? `${number(r.fired)}${r.dismissed ? `, ${number(r.dismissed)} dismissed` : ''}` : '0', html`<${Time} at=${r.lastFired} />`,
			r.cost ? html`${number(1000 * r.cost.lastSeconds)} ms every ${number(r.cost.everySeconds)} s${r.cost.error ? html` <span class="over"><${Text} of=${r.cost.error} /></span>` : ''}` : 'none'])} />
		<p class="quiet">Choose a watch rule to see what it would have raised at another sensitivity or budget.</p>`;
}
