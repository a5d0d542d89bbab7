// A remedy's plan, wherever it is shown: what would be or was done, and the decision on it.
import {html} from './ui.js';
import {duration} from './words.js';
import {token} from './live.js';
import {Badge, Chips, Deed, Text, Time, href} from './parts.js';

// outcomeOf says whether it helped.
export const outcomeOf = (e) => e.outcome || (e.state === 'succeeded' ? (e.verify ? 'watched' : 'nobody looks') : '');

export function Plan({e, done}) {
	const left = e.expiresAt ? Date.parse(e.expiresAt) - Date.now() : null;
	const decide = (approver) => ({hash: e.hash, approver});
	return html`<article class="card plan" data-plan=${e.id}>
		<div class="row"><${Badge} kind=${e.outcome || e.state}>${e.outcome || e.state}<//> <strong><${Text} of=${e.plan.action} /></strong>
			${e.plan.target ? html`<span>on <${Text} of=${e.plan.target} /></span>` : ''} ${e.plan.value ? html`<span>to <${Text} of=${e.plan.value} /></span>` : ''}
			<span class="quiet">rule <${Text} of=${e.plan.rule} />${e.kind ? `, ${e.kind}` : ''}${e.rollbackOf ? ', takes back an earlier one' : ''}</span>
			${e.incident ? html`<a href=${href('incident', e.incident)}>incident ${e.incident}</a>` : ''}</div>
		<p class="quiet">planned <${Time} at=${e.createdAt} />${e.approver ? html`, decided by <${Text} of=${e.approver} />` : ''}${e.startedAt ? html`, began <${Time} at=${e.startedAt} />` : ''}${e.finishedAt ? html`, ended <${Time} at=${e.finishedAt} />` : ''}${e.state === 'waiting' && left !== null ? `, expires in ${duration(left)}` : ''}</p>
		${e.reason ? html`<p><${Text} of=${e.reason} most=${500} /></p>` : ''}
		${e.verdict ? html`<p>Verification: <${Text} of=${e.verdict} most=${500} /></p>` : ''}
		<${Chips} labels=${e.plan.labels} />
		${e.rehearsal ? html`<h3>Dry run</h3><pre>${e.rehearsal}</pre>` : ''}
		${e.output ? html`<details><summary>Output</summary><pre>${e.output}</pre></details>` : ''}
		${e.hash ? html`<p class="quiet">hash <span class="mono">${e.hash}</span></p>` : ''}
		${e.state === 'waiting' ? (e.hash ? html`<div class="row">
			<${Deed} name="Approve" path=${`/api/v1/remediations/${e.id}/approve`} body=${decide} done=${done} />
			<${Deed} name="Deny" danger path=${`/api/v1/remediations/${e.id}/deny`} body=${decide} done=${done} /></div>`
			: html`<p class="quiet">${token() ? 'The token that was given does not show what is to be decided.' : 'Give the approval token on the page Remediation to see what is to be decided.'} <a href=${href('remediation')}>Remediation</a></p>`) : ''}
	</article>`;
}
