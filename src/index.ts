export { FastvError, type FastvErrorCode } from './errors.js';
