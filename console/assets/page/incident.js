// Incident: what happened, in which order, where from, and what was done.
import {html, useEffect, useState} from '../ui.js';
import {deviation, duration, many, number, percent, title, whole} from '../words.js';
import {useAsk, useTick} from '../live.js';
import {Badge, Chips, Deed, Failure, MemberName, SeriesLink, Text, Time, href, severityOf, stateWord} from '../parts.js';
import {Chart} from '../chart.js';
import {Plan} from '../plan.js';

// summary is the incident as one would tell it in a chat.
function summary(i) {
	const lines = [`${i.severity || stateWord(i)}: ${title(i)}`];
	if (i.lead) lines.push(deviation(i.kind, i.lead));
	lines.push(`since ${whole(i.startsAt)}${i.endsAt ? ` until ${whole(i.endsAt)}` : ''}, ${many(i.memberCount, 'series', 'series')}`);
	for (const c of (i.causes || []).slice(0, 3)) lines.push(`likely from ${c.place} (${percent(c.confidence)}): ${(c.evidence || []).slice(0, 2).map((e) => e.text).join('; ')}`);
	for (const c of (i.changes || []).slice(-3)) lines.push(`changed ${whole(c.at)}: ${c.place}: ${c.what}`);
	for (const r of i.remedies || []) lines.push(`remedy: ${r.text}`);
	if (i.dismissed) lines.push(`dismissed by ${i.dismissed.by}: ${i.dismissed.reason || 'no reason given'}`);
	lines.push(location.href);
	return lines.join('\n');
}

function Copy({i}) {
	const [said, say] = useState('');
	const copy = async () => {
		try {
			await navigator.clipboard.writeText(summary(i));
			say('Copied.');
		} catch { say('manual'); } // a page that came without TLS may not
	};
	return html`<button class="plain" onClick=${copy}>Copy summary</button> ${said === 'manual' ? html`<pre tabindex="0" aria-label="summary to copy">${summary(i)}</pre>` : html`<span role="status">${said}</span>`}`;
}

// Elsewhere leads to other programs that show the incident.
function Elsewhere({links}) {
	const all = [...(links.alertmanagers || []).map((a) => ['Alertmanager', a]), ['Grafana', links.grafana], ['Its lead in Grafana', links.series]];
	return html`${all.filter(([, where]) => where).map(([name, where]) => html`<a href=${where} rel="noreferrer">${name}</a> `)}`;
}

function Causes({i}) {
	if (!i.causes) return html`<p class="quiet">Not looked for yet.</p>`;
	return html`${i.causes.length ? '' : html`<p class="quiet">Nothing near it stands out.</p>`}
		<ol>${i.causes.map((c) => html`<li class="card"><div class="row"><strong><${Text} of=${c.place} /></strong> <span class="bar" aria-hidden="true"><i ref=${(e) => { if (e) e.style.width = `${100 * c.confidence}%`; }}></i></span> about ${percent(c.confidence)}</div>
			${(c.evidence || []).map((e) => html`<div class="clue"><${Text} of=${e.text} most=${400} />${e.series ? html` · <${SeriesLink} series=${e.series} />` : ''}</div>`)}</li>`)}</ol>
		<p class="quiet">${many(i.placesLooked, 'place')} looked at${i.placesUnlooked ? `, ${number(i.placesUnlooked)} more were near` : ''}, as of <${Time} at=${i.causesAsOf} />.</p>
		${i.changes && i.changes.length ? html`<h3>What was changed</h3><ul>${i.changes.map((c) => html`<li><${Time} at=${c.at} /> <${Text} of=${c.place} />${c.others ? ` and ${number(c.others)} more` : ''}: <${Text} of=${c.what} /></li>`)}</ul>` : ''}`;
}

function Logs({e}) {
	if (e.notAvailable) return html`<p class="quiet">Logs of <${Text} of=${e.source} />: not available: <${Text} of=${e.notAvailable} most=${400} /></p>`;
	return html`<div class="card"><strong>Logs of <${Text} of=${e.source} /></strong>: ${many(e.lines, 'line')} from <${Time} at=${e.from} /> to <${Time} at=${e.to} />
		<ul>${[...(e.by || []), ...(e.patterns || [])].map((l) => html`<li>${number(l.lines)} × <${Text} of=${l.name} most=${300} /></li>`)}</ul></div>`;
}

// Member is one small multiple: how it went, and how odd that was.
function Member({m, kind, onset, n}) {
	return html`<div class="card"><div><strong>${n}.</strong> <${MemberName} m=${m} />${m.grafana ? html` <a class="quiet" href=${m.grafana} rel="noreferrer">Grafana</a>` : ''}</div>
		<div class="quiet"><${Time} at=${m.onset} />${m.onset !== onset ? `, ${duration(Date.parse(m.onset) - Date.parse(onset))} after the first` : ', the first'}${m.endedAt ? html`, over <${Time} at=${m.endedAt} />` : ''}</div>
		<div><${Text} of=${deviation(kind, m)} most=${300} />${m.channel ? html` <span class="quiet">by its ${m.channel}</span>` : ''}</div>
		${m.points && m.points.length ? html`<${Chart} points=${m.points} metric=${m.metric.__name__} height=${150} sync="members" legend=${false} mark=${m.onset} name=${'value and expected band'} />
			${m.points.some((p) => p.score !== null) ? html`<${Chart} kind="score" points=${m.points} height=${110} sync="members" legend=${false} mark=${m.onset} name="score" />` : html`<p class="quiet">No score of 0.5 or more is noted in this time.</p>`}` : html`<p class="quiet">No samples of this time are kept.</p>`}</div>`;
}

export default function Incident({argument}) {
	useTick(5000);
	const id = encodeURIComponent(argument);
	const found = useAsk(`/api/v1/incidents/${id}`, 'incidents', 'remediations');
	const line = useAsk(`/api/v1/incidents/${id}/timeline`, 'incidents');
	const plans = useAsk('/api/v1/remediations', 'remediations');
	const i = found.data;
	useEffect(() => { document.title = i ? `${title(i)} · Foreshock` : 'Foreshock'; });
	if (!i) return html`<h1>Incident <${Text} of=${argument} most=${40} /></h1><${Failure} error=${found.error} />${found.error ? html`<p><a href=${href('now')}>What is open now</a></p>` : ''}`;
	const own = (plans.data || []).filter((e) => e.incident === i.id);
	const listed = new Set(own.map((e) => e.plan.action));
	const kind = severityOf(i);
	return html`<h1><${Badge} kind=${kind}>${i.severity || stateWord(i)}<//> <${Text} of=${title(i)} /></h1>
		<p>${i.lead ? html`<${Text} of=${deviation(i.kind, i.lead)} most=${400} />, ` : ''}${i.endsAt ? html`from <${Time} at=${i.startsAt} /> to <${Time} at=${i.endsAt} />, ${duration(Date.parse(i.endsAt) - Date.parse(i.startsAt))}` : html`since <${Time} at=${i.startsAt} />, ${duration(Date.now() - Date.parse(i.startsAt))}`}.
			${i.state === 'firing' ? (i.alerting ? ' An alert is out.' : ' No rule tells anyone.') : ''} <span class="quiet">${stateWord(i)}, ${i.kind}${i.rule ? html`, rule <a href=${href('rules', '', {rule: i.rule})}><${Text} of=${i.rule} /></a>` : ''}, id ${i.id}</span></p>
		<${Chips} labels=${i.labels} />
		${i.dismissed ? html`<p>Dismissed as a false alarm by <${Text} of=${i.dismissed.by} />, <${Time} at=${i.dismissed.at} />: <${Text} of=${i.dismissed.reason || 'no reason given'} most=${1000} /></p>` : ''}
		<div class="row"><${Copy} i=${i} />
			<${Elsewhere} links=${i.links || {}} />
			${i.dismissed ? '' : html`<${Deed} name="Dismiss as a false alarm" danger reason path=${`/api/v1/incidents/${i.id}/dismiss`} body=${(by, reason) => ({by, reason})} done=${found.again} />`}</div>
		<${Failure} error=${found.error} />

		<section><h2>Where it likely comes from</h2><${Causes} i=${i} /></section>
		${(i.evidence || []).length ? html`<section><h2>What logs say</h2>${i.evidence.map((e) => html`<${Logs} e=${e} />`)}</section>` : ''}
		<section><h2>Remedies</h2>${own.map((e) => html`<${Plan} key=${e.id} e=${e} done=${plans.again} />`)}
			${(i.remedies || []).filter((r) => !listed.has(r.action)).map((r) => html`<p><${Time} at=${r.at} /> <${Text} of=${r.text} most=${400} /></p>`)}
			${own.length || (i.remedies || []).length ? '' : html`<p class="quiet">None was planned.</p>`}</section>
		<section><h2>What happened, in order</h2><p class="quiet">Lines are values and, below, scores: above the dotted line a series is anomalous. What was expected is shaded; the upright line is the onset.</p><${Failure} error=${line.error} />
			<div class="multiples">${((line.data || {}).series || []).map((m, n) => html`<${Member} key=${m.series} m=${m} kind=${i.kind} onset=${i.startsAt} n=${n + 1} />`)}</div>
			${line.data && line.data.unlisted ? html`<p class="quiet">and ${number(line.data.unlisted)} more series</p>` : ''}</section>`;
}
