/**
 * For callers that have stubs of their own, made of the .proto files: what this package does around a call. How errors read,
 * which of them pass, how long to pause, when a stream is dead.
 */
export { Backoff, type BackoffOptions, pauseUnless } from './backoff.js';
export { readError } from './read-error.js';
export { isTransient, messagesOf, type ReadingOptions } from './stream-messages.js';
