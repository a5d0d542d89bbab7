// Remediation: what may act, what waits for a person, and what became of the rest.
import {html, useEffect, useState} from '../ui.js';
import {many, number, percent} from '../words.js';
import {person, token, useAsk, useTick} from '../live.js';
import {Badge, Deed, Fact, Failure, Table, Text, Time, href} from '../parts.js';
import {Plan, outcomeOf} from '../plan.js';

const modes = {off: 'nothing is planned', suggest: 'plans are shown, nothing acts', approve: 'a person decides on each plan', auto: 'plans act by themselves, within the guards'};
const entries = 100; // of the ledger that are listed

// Key takes the token in, which shows what not everybody may read.
function Key({again}) {
	const [held, hold] = useState(Boolean(token()));
	const keep = (event) => {
		event.preventDefault();
		const fields = new FormData(event.target);
		token(fields.get('token'));
		person(fields.get('person').trim());
		hold(true);
		again();
	};
	if (held) return html`<p class="quiet">A token is kept until this tab is closed. <button class="plain" onClick=${() => { token(''); hold(false); again(); }}>Forget it</button></p>`;
	return html`<form onSubmit=${keep}><label>Your name <input name="person" required maxlength="128" defaultValue=${person()} autocomplete="username" /></label>
		<label>Token <input name="token" type="password" required autocomplete="current-password" /></label><button>Show what is hidden</button></form>
		<p class="quiet">Hashes, dry runs and outputs are shown to who has the approval token. It stays in this tab.</p>`;
}

// rates are how often each remedy helped.
function rates(all) {
	const by = new Map();
	for (const e of all) {
		if (!e.startedAt || e.rollbackOf) continue;
		const key = `${e.plan.rule} · ${e.plan.action}`;
		const r = by.get(key) || {rule: e.plan.rule, action: e.plan.action, ran: 0, succeeded: 0, judged: 0, recovered: 0};
		r.ran++;
		if (e.state === 'succeeded') r.succeeded++;
		if (e.outcome) r.judged++;
		if (e.outcome === 'recovered') r.recovered++;
		by.set(key, r);
	}
	return [...by.values()];
}

function Standing({s, done}) {
	const order = (extra) => (by, reason) => ({by, reason, ...extra});
	const open = Object.entries(s.breakers || {});
	return html`<dl class="facts"><${Fact} name="mode">${s.mode} <span class="quiet">${modes[s.mode] || ''}</span><//>
			<${Fact} name="kill switch" alarm=${Boolean(s.paused)}>${s.paused ? html`on: <${Text} of=${s.paused} />` : 'off'}<//>
			<${Fact} name="started within the hour">${number(s.acted)}<//><${Fact} name="under way">${number(s.running)}<//></dl>
		<div class="row">${s.paused ? html`<${Deed} name="Let remedies act again" reason path="/api/v1/remediations/resume" body=${order()} done=${done} />`
			: html`<${Deed} name="Stop all remedies" danger reason path="/api/v1/remediations/pause" body=${order()} done=${done} />`}</div>
		${open.length ? html`<h2>Circuit breakers</h2><${Table} heads=${['rule', 'failures that count', '']} rows=${open.map(([rule, failed]) => [html`<${Text} of=${rule} />`, `${failed.length}${failed.length > 1 ? ': open, nothing of this rule starts' : ''}`,
			html`<${Deed} name="Close" reason path="/api/v1/remediations/close-breaker" body=${order({rule})} done=${done} />`])} />` : ''}`;
}

export default function Remediation() {
	useTick(5000);
	const standing = useAsk('/api/v1/remediations/standing', 'remediations', 'status');
	const plans = useAsk('/api/v1/remediations', 'remediations');
	useEffect(() => { document.title = 'Remediation · Foreshock'; });
	const again = () => { plans.again(); standing.again(); };
	const all = plans.data || [];
	const waiting = all.filter((e) => e.state === 'waiting'), rest = all.filter((e) => e.state !== 'waiting');
	return html`<h1>Remediation</h1><${Failure} error=${standing.error} />
		${standing.data ? html`<${Standing} s=${standing.data} done=${again} />` : ''}
		<${Key} again=${again} />
		<section><h2>Waiting for a decision</h2><${Failure} error=${plans.error} />
			${waiting.map((e) => html`<${Plan} key=${e.id} e=${e} done=${again} />`)}${waiting.length ? '' : html`<p class="quiet">Nothing waits.</p>`}</section>
		<section><h2>How often it helped</h2><${Table} empty="No remedy has run." heads=${['remedy', 'ran', 'succeeded', 'looked after', 'recovered']} rows=${rates(all).map((r) => [
			html`<${Text} of=${r.rule} />: <${Text} of=${r.action} />`, number(r.ran), `${number(r.succeeded)} (${percent(r.succeeded / r.ran)})`, number(r.judged), r.judged ? `${number(r.recovered)} (${percent(r.recovered / r.judged)})` : '–'])} /></section>
		<section><h2>Ledger</h2><p class="quiet">${many(rest.length, 'plan')}${rest.length > entries ? `, the newest ${entries}` : ''}; the file on the server's disk has all.</p>
			<${Table} empty="Nothing was planned." heads=${['planned', 'state', 'outcome', 'remedy', 'target', 'decided by', 'why', 'incident']} rows=${rest.slice(0, entries).map((e) => [
				html`<${Time} at=${e.createdAt} />`, html`<${Badge} kind=${e.state}>${e.state}<//>`, outcomeOf(e), html`<${Text} of=${e.plan.rule} />: <${Text} of=${e.plan.action} />`, html`<${Text} of=${e.plan.target || '–'} />`,
				html`<${Text} of=${e.approver || '–'} />`, html`<${Text} of=${e.verdict || e.reason || ''} most=${160} />`, e.incident ? html`<a href=${href('incident', e.incident)}>${e.incident}</a>` : '–'])} /></section>`;
}
