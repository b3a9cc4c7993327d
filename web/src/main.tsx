import { render } from 'preact';
import { App } from './app.js';
import { start, problem } from './state.js';
import './style.css';

const root = document.getElementById('app');
if (root === null) throw new Error('the page has no #app');
render(<App />, root);
start().catch((error: unknown) => {
  problem.value = `The page could not start: ${error instanceof Error ? error.message : String(error)}`;
});
