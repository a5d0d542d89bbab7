// The console: which page the address names, what stands around it, and the keys.
import {html, render, useEffect, useState} from './ui.js';
import {duration, zone} from './words.js';
import {useConnection, useTick} from './live.js';
import {href} from './parts.js';
import Now from './page/now.js';
import Incident from './page/incident.js';
import Series from './page/series.js';
import Places from './page/map.js';
import Rules from './page/rules.js';
import Remediation from './page/remediation.js';
import Status from './page/status.js';

const pages = [['now', 'Now'], ['series', 'Series'], ['map', 'Map'], ['rules', 'Rules'], ['remediation', 'Remediation'], ['status', 'Status']];
const drawn = {now: Now, incident: Incident, series: Series, map: Places, rules: Rules, remediation: Remediation, status: Status};

// route is what the address says: #/page/argument?parameters. The addresses of former
// versions had a selector as ?match=.
function route() {
	const old = new URLSearchParams(location.search).get('match');
	if (old && !location.hash) history.replaceState(null, '', '/' + href('series', '', {match: old}));
	const [path, query] = location.hash.replace(/^#\/?/, '').split('?');
	const [page, argument = ''] = path.split('/');
	let whole = argument;
	try { whole = decodeURIComponent(argument); } catch { /* as it stands */ }
	return {page: Object.hasOwn(drawn, page) ? page : 'now', argument: whole, parameters: Object.fromEntries(new URLSearchParams(query || ''))};
}

function Connection() {
	const c = useConnection();
	useTick(1000);
	const age = Date.now() - c.heard;
	return c.lost
		? html`<p class="connection lost" role="status">No answer for ${duration(age)}: what is shown is old.</p>`
		: html`<p class="connection" role="status">times in ${zone()}</p>`;
}

const keys = [['1 – 6', 'go to a page'], ['j, k', 'next, previous line of a list'], ['Enter', 'open it'], ['/', 'search a series'], ['?', 'these keys']];

function Help({close}) {
	return html`<dialog open class="help" aria-label="keys"><h2>Keys</h2><dl>${keys.map(([k, what]) => html`<div><dt><kbd>${k}</kbd></dt><dd>${what}</dd></div>`)}</dl>
		<button onClick=${close}>Close</button></dialog>`;
}

// step moves the focus among the lines of the lists of a page.
function step(by) {
	const lines = [...document.querySelectorAll('main [data-line] a')];
	if (!lines.length) return;
	const at = lines.indexOf(document.activeElement);
	lines[Math.min(Math.max(at < 0 ? (by > 0 ? 0 : lines.length - 1) : at + by, 0), lines.length - 1)].focus();
}

function Console() {
	const [at, setAt] = useState(route());
	const [help, setHelp] = useState(false);
	useEffect(() => {
		const moved = () => { setAt(route()); scrollTo(0, 0); };
		const pressed = (e) => {
			if (e.ctrlKey || e.metaKey || e.altKey || /^(INPUT|SELECT|TEXTAREA)$/.test(e.target.tagName)) return;
			const page = pages[Number(e.key) - 1];
			if (page) location.hash = href(page[0]);
			else if (e.key === 'j' || e.key === 'k') step(e.key === 'j' ? 1 : -1);
			else if (e.key === '/') { e.preventDefault(); location.hash = href('series', '', {focus: 1}); }
			else if (e.key === '?') setHelp((h) => !h);
			else if (e.key === 'Escape') setHelp(false);
		};
		addEventListener('hashchange', moved);
		addEventListener('keydown', pressed);
		return () => { removeEventListener('hashchange', moved); removeEventListener('keydown', pressed); };
	}, []);
	const Page = drawn[at.page];
	const current = at.page === 'incident' ? 'now' : at.page;
	return html`<a class="skip" href="#main" onClick=${(e) => { e.preventDefault(); document.getElementById('main').focus(); }}>Skip to the page</a>
		<header class="top"><a class="brand" href=${href('now')}><img src="/assets/icon.svg" alt="" width="24" height="24" /> Foreshock</a>
			<nav aria-label="pages">${pages.map(([page, name]) => html`<a href=${href(page)} aria-current=${page === current ? 'page' : null}>${name}</a>`)}</nav>
			<${Connection} /></header>
		<main id="main" tabindex="-1"><${Page} key=${at.page} ...${at} /></main>
		${help ? html`<${Help} close=${() => setHelp(false)} />` : null}`;
}

document.body.replaceChildren();
render(html`<${Console} />`, document.body);
