// Notes on each canvas what is written on it since it was last cleared: the text, how it is
// aligned, and the box it covers, in the canvas's pixels.
(() => {
	const p = CanvasRenderingContext2D.prototype, {clearRect, fillText} = p;
	p.clearRect = function (...box) {
		this.canvas.ink = [];
		return clearRect.apply(this, box);
	};
	p.fillText = function (text, x, y, ...most) {
		const m = this.measureText(text), to = this.getTransform();
		const corners = [[-m.actualBoundingBoxLeft, -m.actualBoundingBoxAscent], [m.actualBoundingBoxRight, m.actualBoundingBoxDescent]]
			.map(([dx, dy]) => to.transformPoint({x: x + dx, y: y + dy}));
		const [left, right] = corners.map((c) => c.x).sort((a, b) => a - b), [top, bottom] = corners.map((c) => c.y).sort((a, b) => a - b);
		(this.canvas.ink = this.canvas.ink || []).push({text: String(text), align: this.textAlign, turned: to.b !== 0, left, right, top, bottom});
		return fillText.call(this, text, x, y, ...most);
	};
})();
