// Where the pages' data come from: JSON by fetch, fetched again when the server's events
// say so, and changes sent with the token.
import {useEffect, useState} from './ui.js';

const wait = 10000; // ms until a request counts as lost
const deaf = 35000; // ms without an event until a stream counts as dead: it says something every ten seconds
const poll = 5000; // ms between looks while there is no stream

const session = (name, value) => {
	try {
		if (value === undefined) return sessionStorage.getItem(name) || '';
		sessionStorage.setItem(name, value);
	} catch { /* a browser that keeps nothing asks each time */ }
	return value || '';
};
export const token = (value) => session('foreshock.token', value);
export const person = (value) => session('foreshock.person', value);

export class Refused extends Error {
	constructor(status, text) { super(text); this.status = status; }
}

async function read(r) {
	const text = await r.text();
	let body;
	try { body = JSON.parse(text); } catch { throw new Refused(r.status, text.trim() || `HTTP ${r.status}`); }
	if (body.status !== 'success') throw new Refused(r.status, body.error || `HTTP ${r.status}`);
	return body.data;
}

// ask fetches what is at path. The token lets out what not everybody may read.
export async function ask(path, signal) {
	const headers = {Accept: 'application/json'};
	if (token()) headers['X-Foreshock-Token'] = token();
	const signals = [AbortSignal.timeout(wait), ...(signal ? [signal] : [])];
	return read(await fetch(path, {signal: AbortSignal.any(signals), headers}));
}

// send changes something. Only a page of this origin can send these headers.
export async function send(path, body) {
	const headers = {Accept: 'application/json', 'Content-Type': 'application/json', 'X-Foreshock-Token': token()};
	return read(await fetch(path, {method: 'POST', body: JSON.stringify(body), signal: AbortSignal.timeout(wait), headers}));
}

// ---- events -------------------------------------------------------------------

const listeners = new Set(); // of topics
const watchers = new Set(); // of the connection
export const connection = {heard: Date.now(), lost: ''};

// A page rests so many times as long as its scripts drew before it looks again: asking, laying
// out and painting cost five times that. Within these bounds, in ms. So it costs little in a
// storm of events, too, however slow the machine is, and what little changed is seen at once.
const ease = 400, shortestRest = 500, longestRest = 2000;
let news = new Set(), hearing = false, rested = 0; // until when, by performance.now()

// hear has all that shows one of the topics look again, once the page has rested.
async function hear(topics) {
	for (const t of topics) news.add(t);
	if (hearing) return;
	hearing = true;
	while (news.size) {
		await new Promise((then) => setTimeout(then, rested - performance.now()));
		const [all, begun] = [news, performance.now()];
		news = new Set();
		const took = await tell(all);
		rested = begun + Math.min(Math.max(ease * took, shortestRest), longestRest);
	}
	hearing = false;
}

// patience is how long answers wait for each other, in ms.
const patience = 1000;

// tell shows all answers at once: a page that is drawn once costs less than one that is drawn
// answer by answer. One that is slow is shown when it comes. It resolves to how long drawing
// took, in ms.
async function tell(topics) {
	const enough = new Promise((then) => setTimeout(then, patience));
	const shows = await Promise.all([...listeners].map((listener) => {
		const look = listener(topics);
		let late = false;
		return Promise.race([
			Promise.resolve(look).then((show) => { if (!late) return show; if (show) show(); }),
			enough.then(() => { late = true; }),
		]);
	}));
	const begun = performance.now();
	for (const show of shows) if (show) show();
	await null; // it is drawn meanwhile
	return performance.now() - begun;
}

// same is the answer now, in which what is as before is the very thing of before: that is not
// drawn again.
function same(before, now) {
	const text = JSON.stringify;
	if (!Array.isArray(before) || !Array.isArray(now)) return text(before) === text(now) ? before : now;
	const held = new Map(before.map((x) => [text(x), x]));
	const all = now.map((x) => held.get(text(x)) || x);
	return all.length === before.length && all.every((x, k) => x === before[k]) ? before : all;
}

function note(lost) {
	if (!lost) connection.heard = Date.now();
	if (connection.lost !== lost) {
		connection.lost = lost;
		for (const f of [...watchers]) f();
	}
}

let stream = null, last = 0;

function open() {
	close();
	if (document.hidden) return; // a browser has six connections to a server, for all its pages
	last = Date.now();
	stream = new EventSource('/api/v1/events');
	stream.onmessage = (event) => {
		last = Date.now();
		note('');
		hear(event.data.split(' '));
	};
	// Maybe as many pages as can be listen already; they are told when this one asks.
	stream.onerror = () => ask('/api/v1/status').then(() => note(''), () => note('lost'));
}

function close() {
	if (stream) stream.close();
	stream = null;
}

// Whatever was missed, by sleep or a restart: the first event of a stream names all topics.
setInterval(() => {
	if (document.hidden) return;
	if (!stream || stream.readyState === 2 || Date.now() - last > deaf) {
		open();
		hear(['status', 'incidents', 'remediations']);
	}
}, poll);
document.addEventListener('visibilitychange', () => document.hidden ? close() : open());
addEventListener('online', open);
addEventListener('pagehide', close);
addEventListener('pageshow', (event) => { if (event.persisted) open(); });
open();

export function useConnection() {
	const [, turn] = useState(0);
	useEffect(() => {
		const f = () => turn((n) => n + 1);
		watchers.add(f);
		return () => watchers.delete(f);
	}, []);
	return connection;
}

// useAsk is what is at path, asked again when one of the topics is news. While that goes on
// what is known stays; an error stands beside it. A null path asks nothing.
export function useAsk(path, ...topics) {
	const [answer, set] = useState({path: null});
	const [turn, again] = useState(0);
	useEffect(() => {
		if (path === null) return;
		const gone = new AbortController();
		let asked = 0, shown = 0;
		// look resolves to what shows the answer, unless a later one was shown.
		const look = async () => {
			const n = ++asked;
			const answer = await ask(path, gone.signal).then((data) => ({data}), (error) => ({error}));
			return () => {
				if (gone.signal.aborted || n < shown) return;
				shown = n;
				set((a) => {
					const before = a.path === path ? a.data : undefined;
					const data = answer.error ? before : same(before, answer.data);
					return data === before && !answer.error && !a.error && a.path === path ? a : {path, data, error: answer.error};
				});
			};
		};
		const heard = (news) => topics.some((t) => news.has(t)) ? look() : null;
		listeners.add(heard);
		look().then((show) => show());
		return () => { gone.abort(); listeners.delete(heard); };
	}, [path, turn]);
	const mine = answer.path === path ? answer : {};
	return {data: mine.data, error: mine.error, again: () => again((n) => n + 1)};
}

const ticking = new Map(); // what draws again, and every how many ms

// All ticks are of one clock, so that what changes at the same time is drawn in one frame.
let ticks = 0;
setInterval(() => {
	ticks++;
	if (!document.hidden) for (const [f, ms] of [...ticking]) if (1000 * ticks % ms === 0) f();
}, 1000);

// useTick draws again every so many ms, whole seconds, for ages and what is left of a while.
export function useTick(ms) {
	const [, turn] = useState(0);
	useEffect(() => {
		const f = () => turn((n) => n + 1);
		ticking.set(f, ms);
		return () => ticking.delete(f);
	}, [ms]);
}
