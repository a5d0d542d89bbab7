// What every module draws with: Preact, its hooks, and htm in place of a compiler. Text
// goes in as text, never as markup, so that a label may hold what it likes.
import {h, render} from './lib/preact.mjs';
import htm from './lib/htm.mjs';

export {render};
export {useEffect, useMemo, useRef, useState} from './lib/hooks.mjs';
export const html = htm.bind(h);
