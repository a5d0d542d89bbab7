// Status: what runs here, by which configuration, and how near its limits it is.
import {html, useEffect} from '../ui.js';
import {bytes, duration, number, percent} from '../words.js';
import {useAsk} from '../live.js';
import {Age, Fact, Failure, Table, Text, Time} from '../parts.js';

const share = (n, most) => most ? `${number(n)} of ${number(most)} (${percent(n / most)})` : `${number(n)}, no limit`;

export default function Status() {
	const status = useAsk('/api/v1/status', 'status');
	const about = useAsk('/api/v1/about', 'remediations');
	useEffect(() => { document.title = 'Status · Foreshock'; });
	const s = status.data, a = about.data;
	return html`<h1>Status</h1><${Failure} error=${status.error || about.error} />
		${a ? html`<dl class="facts"><${Fact} name="version">${a.version || 'unknown'}<//><${Fact} name="revision">${a.revision || 'unknown'}<//><${Fact} name="Go">${a.go}<//>
			<${Fact} name="started"><${Time} at=${a.startedAt} /><//><${Fact} name="runs for"><${Age} at=${a.startedAt} /><//><${Fact} name="samples are kept for">${duration(a.windowSeconds * 1000)}<//></dl>` : ''}
		${s ? html`<section><h2>Limits and use</h2><${Table} heads=${['what', 'in use', 'limit']} rows=${[
				['series', share(s.series, s.maxSeries), 'detector.max_series'],
				['memory of series', s.memoryLimit ? `${bytes(s.memoryBytes)} of ${bytes(s.memoryLimit)} (${percent(s.memoryBytes / s.memoryLimit)})` : `${bytes(s.memoryBytes)}, no limit`, 'detector.memory_limit'],
				['of it, windows', bytes(s.windowBytes), 'detector.window'],
			]} /></section>
			<section><h2>Since the start</h2><dl class="facts">${[['batches', s.batches], ['samples', s.samples], ['scored', s.scored], ['late', s.late], ['refused series', s.refused], ['evicted series', s.evicted], ['skipped', s.skipped]].map(([n, v]) => html`<${Fact} name=${n}>${number(v)}<//>`)}</dl></section>
			${(s.expressions || []).length ? html`<section><h2>Expressions</h2><${Table} heads=${['rule', 'every', 'evaluated', 'failed', 'missed', 'last took', 'looked at', 'series']} rows=${s.expressions.map((x) => [html`<${Text} of=${x.rule} />`, `${number(x.everySeconds)} s`, number(x.evaluations), number(x.failed), number(x.missed), `${number(1000 * x.lastSeconds)} ms`, number(x.lastSamples), number(x.series)])} /></section>` : ''}` : ''}
		<p>Everything it counts of itself is at <a href="/metrics">/metrics</a>, what it emits at <a href="/metrics/anomalies">/metrics/anomalies</a>.</p>
		${a ? html`<section><h2>Configuration in use</h2><p class="quiet">Secrets, and what may hold one, are not shown.</p><pre tabindex="0" aria-label="configuration">${a.config}</pre></section>` : ''}`;
}
