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
			${by === 'factor' ? html`<label>Sensitivity ${number(sensitivity * factor)} (${number(factor)} × what it is) <input type="range" min="-3" max="1" step="0.05" value=${Math.log2(factor)} onInput=${(e) => setFactor(Number((2 ** e.target.value).toFixed(3)))} /></label>`
				: html`<label>Alerts a week <input type="number" min="0" max="10000" step="any" value=${budget} onInput=${(e) => { if (e.target.value !== '') setBudget(Number(e.target.value)); }} /></label>`}</form>
		<${Failure} error=${w.error} />
		${d ? html`<dl class="facts"><${Fact} name="alerts as it is">${number(d.now)}<//><${Fact} name="alerts as it would be">${number(d.then)}<//>
				<${Fact} name="sensitivity">${number(sensitivity * d.factor)}<//><${Fact} name="in the last">${d.since ? duration(Date.now() - Date.parse(d.since)) : 'nothing noted'}<//></dl>
			<${Table} empty="It would have raised nothing." heads=${['when', 'score', 'series']} rows=${d.alerts.map((a) => [html`<${Time} at=${a.at} />`, number(a.score), html`<${SeriesLink} series=${a.series} at=${a.at} />`])} />
			<p class="quiet">Counted from the notes that are kept of ${many(d.series, 'series', 'series')}: of samples that score half of what is anomalous or more, so nothing beyond twice the sensitivity is known. Alerts within five minutes count as one; those of places, and what holds an alert back after another, are left out.</p>` : ''}</section>`;
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
