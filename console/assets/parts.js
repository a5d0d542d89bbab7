// What several pages are made of.
import {html, useEffect, useRef, useState} from './ui.js';
import {clock, duration, number, place, title, whole} from './words.js';
import {person, send, token, useTick} from './live.js';

// href is the address of a page: everything one sees is in it.
export function href(page, argument = '', parameters = {}) {
	const query = new URLSearchParams(Object.entries(parameters).filter(([, v]) => v !== '' && v !== undefined && v !== null));
	return `#/${page}${argument ? '/' + encodeURIComponent(argument) : ''}${[...query].length ? '?' + query : ''}`;
}

// Text is somebody else's words: cut to one line, whole in its title, and unable to turn
// round what stands beside it.
export const longest = 200; // characters that are drawn: an element of 10 000 is slow to lay out
export function Text({of, most = longest}) {
	const text = String(of);
	return html`<bdi class="text" title=${text.slice(0, 2000)}>${text.length > most ? text.slice(0, most) + '…' : text}</bdi>`;
}

export const Time = ({at}) => at ? html`<time datetime=${new Date(at).toISOString()} title=${whole(at)}>${clock(at)}</time>` : '–';

// Age is how long ago a time was, and goes on by itself.
export function Age({at}) {
	const ms = Date.now() - Date.parse(at);
	useTick(ms < 60e3 ? 5000 : 20e3);
	return duration(ms);
}

export const SeriesLink = ({series, at}) => html`<a class="series" href=${href('series', '', {match: series, at})}><${Text} of=${series} /></a>`;

export const MemberName = ({m}) => m.company ? html`<${Text} of=${place(m.metric)} />` : html`<${SeriesLink} series=${m.series} />`;

export const IncidentLink = ({i}) => html`<a href=${href('incident', i.id)}><${Text} of=${title(i)} /></a>`;

// Failure stands where an answer would.
export const Failure = ({error}) => error ? html`<p class="error" role="alert"><${Text} of=${error.message} most=${600} /></p>` : null;

export const Chips = ({labels}) => html`<span class="chips">${Object.entries(labels || {}).map(([k, v]) => html`<span class="chip"><${Text} of=${`${k}=${v}`} most=${80} /></span>`)}</span>`;

export function stateWord(i) {
	if (i.dismissed) return 'dismissed';
	return i.state === 'firing' && !i.alerting ? 'firing, untold' : i.state;
}

// toneOf is the class of a kind that has a colour; a severity is anybody's word, and no class.
const tones = new Set(['critical', 'page', 'firing', 'failed', 'danger', 'warning', 'ticket', 'pending', 'waiting', 'succeeded', 'recovered']);
export const toneOf = (kind) => tones.has(kind) ? kind : '';

export const Badge = ({kind, children}) => html`<span class=${`badge ${toneOf(kind)}`}>${children}</span>`;

export const severityOf = (i) => i.severity || (i.state === 'resolved' ? 'resolved' : i.state === 'pending' ? 'pending' : i.alerting ? 'firing' : 'info');

export const Fact = ({name, children, alarm}) => html`<div class=${alarm ? 'fact alarm' : 'fact'}><dt>${name}</dt><dd>${children}</dd></div>`;

// Sparkline is how numbers went of late, without a scale: its title says from what to what.
export function Sparkline({points, name}) {
	const known = (points || []).filter((v) => v !== null);
	if (known.length < 2) return html`<svg class="spark" viewBox="0 0 100 24" role="img" aria-label="not known"></svg>`;
	const low = Math.min(...known), high = Math.max(...known), span = high - low || 1;
	const path = points.map((v, k) => v === null ? '' : `${(100 * k / (points.length - 1)).toFixed(1)},${(22 - 20 * (v - low) / span).toFixed(1)}`).filter(Boolean).join(' ');
	const text = `${name || 'of late'}: ${number(low)} to ${number(high)}, now ${number(known[known.length - 1])}`;
	return html`<svg class="spark" viewBox="0 0 100 24" preserveAspectRatio="none" role="img" aria-label=${text}><title>${text}</title><polyline points=${path} /></svg>`;
}

// Table is rows of cells under heads; it scrolls by itself where a phone is narrow.
export const Table = ({heads, rows, empty = 'none'}) => rows.length
	? html`<div class="scroll" tabindex="0" role="region" aria-label="table"><table><thead><tr>${heads.map((h) => html`<th scope="col">${h}</th>`)}</tr></thead>
		<tbody>${rows.map((row) => html`<tr>${row.map((cell) => html`<td>${cell}</td>`)}</tr>`)}</tbody></table></div>`
	: html`<p class="quiet">${empty}</p>`;

// Deed is a button that changes something once: it asks for the token and who says so where
// they are not known, and says what came of it.
export function Deed({name, path, body, reason = false, done, danger}) {
	const [open, setOpen] = useState(false);
	const [said, say] = useState(null);
	const [busy, setBusy] = useState(false);
	const sent = useRef(false); // known at once, unlike busy: two clicks are one deed
	const form = useRef(null);
	useEffect(() => { if (open && form.current) form.current.querySelector('input').focus(); }, [open]);
	const act = async (event) => {
		event.preventDefault();
		if (sent.current) return;
		sent.current = true;
		const fields = new FormData(event.target);
		token(fields.get('token'));
		person(fields.get('person'));
		setBusy(true);
		try {
			const answer = await send(path, body(fields.get('person').trim(), String(fields.get('reason') || '').trim()));
			setOpen(false);
			say(null);
			if (done) done(answer);
		} catch (error) {
			if (error.status === 401) token('');
			say(error);
		} finally {
			sent.current = false;
			setBusy(false);
		}
	};
	if (!open) return html`<button class=${danger ? 'danger' : ''} onClick=${() => setOpen(true)}>${name}</button>`;
	return html`<form class="deed" ref=${form} onSubmit=${act} onKeyDown=${(e) => { if (e.key === 'Escape') setOpen(false); }}>
		<label>Your name <input name="person" required maxlength="128" defaultValue=${person()} autocomplete="username" /></label>
		<label>Token <input name="token" type="password" required defaultValue=${token()} autocomplete="current-password" /></label>
		${reason ? html`<label>Reason <input name="reason" maxlength="1000" /></label>` : null}
		<button class=${danger ? 'danger' : ''} disabled=${busy}>${busy ? 'Sending …' : name}</button>
		<button type="button" class="plain" onClick=${() => setOpen(false)}>Cancel</button>
		<${Failure} error=${said} />
	</form>`;
}
