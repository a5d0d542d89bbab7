// Map: the fleet by place and time, each cell the highest score in it.
import {html, useEffect, useMemo} from '../ui.js';
import {number, two, whole, zone} from '../words.js';
import {useAsk} from '../live.js';
import {Failure, SeriesLink, Table, Text, href} from '../parts.js';

const columns = 48; // cells of a row
const rowsShown = 60; // places, the oddest first
const byLabels = ['instance', 'node', 'pod', 'namespace', 'service', 'job'];
const spans = [[900, '15 min'], [3600, '1 h'], [6 * 3600, '6 h'], [86400, '1 d'], [7 * 86400, '1 w']];
const scores = '{__name__=~"foreshock_anomaly_score|foreshock_group_anomaly_score|anomaly_score"';

const shade = (v) => v === undefined ? 'none' : v > 2 ? 'h4' : v > 1 ? 'h3' : v > 0.5 ? 'h2' : 'h1';

function Zoom({by, value}) {
	const found = useAsk('/api/v1/query?' + new URLSearchParams({query: `topk(30, foreshock_anomaly_score{${by}=${JSON.stringify(value)}})`}), 'status');
	const rows = found.data ? found.data.result.map((r) => {
		const {__name__, for: name, ...labels} = r.metric;
		return [`${name}{${Object.entries(labels).map(([k, v]) => `${k}=${JSON.stringify(v)}`).join(', ')}}`, Number(r.value[1])];
	}) : [];
	return html`<section><h2>${by} <${Text} of=${value} /> now</h2><${Failure} error=${found.error} /><${Table} heads=${['series', 'score']} empty="Nothing of it is emitted now." rows=${rows.map(([s, v]) => [html`<${SeriesLink} series=${s} />`, html`<span class=${v > 1 ? 'over' : ''}>${number(v)}</span>`])} />
		<p><a href=${href('series', '', {match: `{${by}=${JSON.stringify(value)}}`})}>All its series</a></p></section>`;
}

export default function Places({parameters}) {
	const by = byLabels.includes(parameters.by) ? parameters.by : 'instance';
	const about = useAsk('/api/v1/about');
	const status = useAsk('/api/v1/status', 'status');
	const most = (about.data || {}).windowSeconds || 3600;
	const span = Math.min(Number(parameters.span) || 3600, most);
	const step = Math.max(1, Math.round(span / columns));
	// Cells stand still until the next begins.
	const end = status.data && status.data.now ? Math.ceil(Date.parse(status.data.now) / 1000 / step) * step : 0;
	const query = `max by (${by}) (max_over_time(${scores},${by}!=""}[${step}s]))`;
	const found = useAsk(end ? '/api/v1/query_range?' + new URLSearchParams({query, start: end - span + step, end, step}) : null);
	useEffect(() => { document.title = 'Map · Foreshock'; });
	const rows = useMemo(() => {
		const all = ((found.data || {}).result || []).map((r) => {
			const cells = new Array(columns);
			let peak = 0;
			for (const [t, v] of r.values) {
				const k = Math.round((t - (end - span + step)) / step), x = Number(v);
				if (k >= 0 && k < columns) cells[k] = x;
				peak = Math.max(peak, x);
			}
			return {value: r.metric[by], cells, peak};
		});
		return all.sort((a, b) => b.peak - a.peak || (a.value < b.value ? -1 : 1));
	}, [found.data]);
	const at = (k) => new Date(1000 * (end - span + step + k * step));
	const link = (more) => href('map', '', {by, span: parameters.span, at: parameters.at, ...more});
	return html`<h1>Map</h1>
		<form onSubmit=${(e) => e.preventDefault()}><label>Places by <select value=${by} onChange=${(e) => { location.hash = link({by: e.target.value, at: ''}); }}>${byLabels.map((l) => html`<option>${l}</option>`)}</select></label>
			<label>Time <select value=${span} onChange=${(e) => { location.hash = link({span: e.target.value}); }}>${spans.filter(([s]) => s <= most).map(([s, name]) => html`<option value=${s}>${name}</option>`)}</select></label></form>
		<${Failure} error=${found.error} />
		<p class="legend">highest score of a place in ${step} s: ${[['h1', 'up to 0.5'], ['h2', 'up to 1'], ['h3', 'anomalous, up to 2'], ['h4', 'above 2']].map(([c, text]) => html`<span class="heat"><i class=${c}></i>${text}</span>`)}<span>empty: nothing emitted, it is calm</span></p>
		${rows.length ? html`<div class="scroll" tabindex="0" role="region" aria-label="map"><table class="heat"><tbody>${rows.slice(0, rowsShown).map((r) => html`<tr key=${r.value}><th scope="row"><a href=${link({at: r.value})} data-line=${r.value}><${Text} of=${r.value} most=${60} /></a></th>
				${[...Array(columns).keys()].map((k) => html`<td class=${shade(r.cells[k])} title=${r.cells[k] === undefined ? null : `${number(r.cells[k])} until ${whole(at(k))}`}></td>`)}</tr>`)}
			<tr class="axis"><th scope="row" class="quiet">until, ${zone()}</th>${[...Array(columns).keys()].map((k) => html`<td>${k % 8 === 0 ? `${two(at(k).getHours())}:${two(at(k).getMinutes())}` : ''}</td>`)}</tr></tbody></table></div>
			${rows.length > rowsShown ? html`<p class="quiet">The ${rowsShown} oddest of ${number(rows.length)}.</p>` : ''}`
			: found.data ? html`<p class="quiet">No score of a series with this label was emitted in this time: the fleet is calm, or no rule says to emit more than what is anomalous.</p>` : ''}
		${parameters.at ? html`<${Zoom} by=${by} value=${parameters.at} />` : ''}`;
}
