// What every module draws with: Preact, its hooks, and htm in place of a compiler. Text
// goes in as text, never as markup, so that a label may hold what it likes.
import {h, render} from './lib/preact.mjs';
import htm from './lib/htm.mjs';
import {useEffect, useMemo, useRef, useState} from './lib/hooks.mjs';

export {render, useEffect, useMemo, useRef, useState};
export const html = htm.bind(h);
