// Resolves when the page has been as it is for ten frames and each chart is as wide as its
// box, to "" or, after fifteen seconds, to what still changes.
new Promise((done) => {
	const begun = performance.now();
	let before = '', same = 0;
	const look = () => {
		const loose = [...document.querySelectorAll('.plot')].filter((p) => !p.firstElementChild || p.firstElementChild.offsetWidth !== p.clientWidth);
		const now = [document.documentElement.scrollWidth, document.documentElement.scrollHeight, document.querySelectorAll('*').length].join();
		same = now === before && !loose.length ? same + 1 : 0;
		before = now;
		if (same >= 10) done('');
		else if (performance.now() - begun > 15000) done(loose.length ? `${loose.length} charts are not as wide as their boxes` : 'the page goes on changing its size');
		else requestAnimationFrame(look);
	};
	look();
})
