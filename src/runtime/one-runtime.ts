// What entries that import Transformers.js import before it, in Node. Transformers.js loads ONNX Runtime's native library as
// it is imported, and where the app has loaded another copy, Node's error names neither. Asked first, it is fastv's error.
import { checkRuntime } from './node-session.js';

checkRuntime();
