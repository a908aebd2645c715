// The package must not bring types that the project's libraries lack.
import { load } from 'dynakernel';

export const loading = load();
// @ts-expect-error esnext.disposable
export const symbol = Symbol.dispose;
// @ts-expect-error es2022.error
export const failure = new Error('', { cause: loading });
// @ts-expect-error dom
export const canvas = document.createElement('canvas');
// @ts-expect-error dom
export type Canvas = HTMLCanvasElement;
