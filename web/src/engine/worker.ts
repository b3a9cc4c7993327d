// The worker's entry: the engine, behind messages. Its name is the page's address, since its own file lies elsewhere.
import { expose } from 'comlink';
import { Engine } from './engine.js';
import { configure } from './environment.js';

configure(new URL('.', self.name).href);
expose(new Engine());
