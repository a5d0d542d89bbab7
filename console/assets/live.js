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

async function answerOf(r) {
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
	return answerOf(await fetch(path, {signal: AbortSignal.any(signals), headers}));
}

// send changes something. Only a page of this origin can send these headers.
export async function send(path, body) {
	const headers = {Accept: 'application/json', 'Content-Type': 'application/json', 'X-Foreshock-Token': token()};
	return answerOf(await fetch(path, {method: 'POST', body: JSON.stringify(body), signal: AbortSignal.timeout(wait), headers}));
}

// ---- events -------------------------------------------------------------------

const listeners = new Set(); // of topics
const watchers = new Set(); // of the connection
export const connection = {heard: Date.now(), lost: ''};

function tell(topics) {
	for (const f of [...listeners]) f(topics);
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
		tell(new Set(event.data.split(' ')));
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
		tell(new Set(['status', 'incidents', 'remediations']));
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
		let busy = false, more = false;
		const look = async () => {
			if (busy) { more = true; return; }
			busy = true;
			do {
				more = false;
				try {
					const data = await ask(path, gone.signal);
					if (!gone.signal.aborted) set({path, data});
				} catch (error) {
					if (!gone.signal.aborted) set((a) => ({path, data: a.path === path ? a.data : undefined, error}));
				}
			} while (more && !gone.signal.aborted);
			busy = false;
		};
		const heard = (news) => { if (topics.some((t) => news.has(t))) look(); };
		listeners.add(heard);
		look();
		return () => { gone.abort(); listeners.delete(heard); };
	}, [path, turn]);
	const mine = answer.path === path ? answer : {};
	return {data: mine.data, error: mine.error, again: () => again((n) => n + 1)};
}

// useTick draws again every so many ms, for ages and what is left of a while.
export function useTick(ms) {
	const [, turn] = useState(0);
	useEffect(() => {
		const id = setInterval(() => { if (!document.hidden) turn((n) => n + 1); }, ms);
		return () => clearInterval(id);
	}, [ms]);
}
