/** The types of objects in a worker. They follow from the types of the library's objects. */

/** @typedef {import('../box.js').Box} Box */
/** @typedef {import('../canvas.js').DrawableCanvas} DrawableCanvas */
/** @typedef {import('../dite-hrnet/decode.js').KeyPoint} KeyPoint */
/** @typedef {import('../dite-hrnet/index.js').DiteHRNetOptions} DiteHRNetOptions */
/** @typedef {import('../module.js').Module} Module */
/** @typedef {import('../network/arguments.js').Tensors} Tensors */
/** @typedef {import('../network/network.js').Network} Network */
/** @typedef {import('../numbers.js').NestedNumbers} NestedNumbers */
/** @typedef {import('../numbers.js').TypedArray} TypedArray */
/** @typedef {import('../optimizer.js').Optimizer} Optimizer */
/** @typedef {import('../runtime.js').Runtime} Runtime */
/** @typedef {import('../source.js').ImageSource} ImageSource */
/** @typedef {import('../state.js').LoadResult} LoadResult */
/** @typedef {import('../state.js').LoadStateOptions} LoadStateOptions */
/** @typedef {import('../tensor.js').Tensor} Tensor */
/** @typedef {import('./serve.js').WorkerFunctions} WorkerFunctions */

/** Properties that never change, and can be read without a message: CONSTANTS of protocol.js.
 * @typedef {'shape' | 'config'} Constant */

/** The objects that stay in the worker.
 * @typedef {Tensor | Module | Network | Optimizer} Held */

/** Values that are the same on both sides.
 * @typedef {string | number | bigint | boolean | null | undefined | void | TypedArray | ArrayBuffer
 *   | ArrayBufferView} Plain */

/**
 * What a page passes for an argument of this type: objects of the worker instead of the library's.
 *
 * @template Value
 * @typedef {Value extends Held ? Remote<Value>
 *   : Value extends Plain | NestedNumbers | ImageSource | DrawableCanvas ? Value
 *   : { [Name in keyof Value]: Sent<Value[Name]> }} Sent
 */

/**
 * What a page gets for a result of this type.
 *
 * @template Value
 * @typedef {Value extends Held ? Remote<Value>
 *   : Value extends Plain ? Value
 *   : { [Name in keyof Value]: Received<Value[Name]> }} Received
 */

/**
 * A method, which may have two signatures.
 *
 * @template Method
 * @typedef {Method extends { (...args: infer First): infer FirstResult, (...args: infer Second): infer SecondResult }
 *   ? ((...args: Sent<First>) => Promise<Received<FirstResult>>)
 *     & ((...args: Sent<Second>) => Promise<Received<SecondResult>>)
 *   : never} RemoteMethod
 */

/**
 * The names of the properties that can be set.
 *
 * @template T
 * @typedef {{ [Name in keyof T]: T[Name] extends (...args: never) => unknown ? never
 *   : (<G>() => G extends { [Key in Name]: T[Key] } ? 1 : 2) extends
 *     (<G>() => G extends { -readonly [Key in Name]: T[Key] } ? 1 : 2) ? Name : never }[keyof T]} Writable
 */

/**
 * The members of T as promises, without some. `shape` and `config` are no promises, because they never change. A
 * property is set by `set('requiresGrad', true)`.
 *
 * @template T
 * @template [Without=never]
 * @typedef {{ readonly [Name in Exclude<keyof T, Constant | Without | symbol>]:
 *     T[Name] extends (...args: never) => unknown ? RemoteMethod<T[Name]> : Promise<Received<T[Name]>> }
 *   & { readonly [Name in Extract<keyof T, Constant | symbol>]: T[Name] }
 *   & { set<Name extends Writable<T>>(name: Name, value: T[Name]): Promise<void> }} Members
 */

/**
 * @typedef {object} RemoteForward
 * @property {<Outputs extends Tensor | Tensors = Tensor>(x: Sent<Tensor | Tensors>,
 *   options?: { out?: Sent<Tensor | Tensors> | undefined }) => Promise<Received<Outputs>>} forward computes the outputs: of a network
 *   with several, forward<Tensors>(x)
 */

/**
 * An object of the library in a worker, such as Remote<Tensor>. It has the same members, which return promises.
 *
 * @template T
 * @typedef {T extends Network ? Members<T, 'forward'> & RemoteForward
 *   : T extends Runtime ? Members<T, 'network'> : Members<T>} Remote
 */

/**
 * A runtime in a worker, and the functions that the worker serves beside it.
 *
 * @template {WorkerFunctions} [Functions=ReadyMade]
 * @typedef {Remote<Runtime> & { readonly [Name in keyof Functions]:
 *   Functions[Name] extends (dk: Runtime, ...args: infer Args) => infer Result
 *     ? (...args: Sent<Args>) => Promise<Received<Awaited<Result>>> : never }} RemoteRuntime
 */

/**
 * The functions of the worker that loadInWorker() starts.
 *
 * @typedef {object} ReadyMade
 * @property {(dk: Runtime, options: DiteHRNetOptions) => Network} diteHRNet as of 'dynakernel/dite-hrnet'
 * @property {(dk: Runtime, heatmaps: Tensor, options?: { box?: Box | readonly Box[] | undefined }) => KeyPoint[][]} decodeHeatmaps as
 *   of 'dynakernel/dite-hrnet'
 * @property {(dk: Runtime, target: Network | Module, bytes: ArrayBuffer | ArrayBufferView, options?: LoadStateOptions)
 *   => LoadResult} loadCheckpoint parses a PyTorch checkpoint and loads it into a network or a module
 */

export {};
