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
 * A method, which may have two signatures. The last comes first: if there is one, old versions of TypeScript know only
 * that.
 *
 * @template Method
 * @typedef {Method extends { (...args: infer First): infer FirstResult, (...args: infer Last): infer LastResult }
 *   ? RemoteSignature<Last, LastResult> & RemoteSignature<First, FirstResult>
 *   : Method extends (...args: infer Args) => infer Result ? RemoteSignature<Args, Result> : never} RemoteMethod
 */

/**
 * @template Args
 * @template Result
 * @typedef {Sent<Args> extends infer Arguments extends readonly unknown[]
 *   ? (...args: Arguments) => Promise<Received<Awaited<Result>>> : never} RemoteSignature
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
 * @typedef {{ readonly [Name in keyof T as Exclude<Name, Constant | Without | symbol>]:
 *     T[Name] extends (...args: never) => unknown ? RemoteMethod<T[Name]> : Promise<Received<T[Name]>> }
 *   & { readonly [Name in keyof T as Extract<Name, Constant | symbol>]: T[Name] }
 *   & { set<Name extends Writable<T>>(name: Name, value: T[Name]): Promise<void> }} Members
 */

/**
 * The forward pass of a network: of one with several outputs, forward<Tensors>(x).
 *
 * @typedef {{
 *   forward(x: Sent<Tensor | Tensors>, options?: { out?: Sent<Tensor | Tensors> | undefined }): Promise<Remote<Tensor>>,
 *   forward<Outputs extends Tensors>(x: Sent<Tensor | Tensors>,
 *     options?: { out?: Sent<Tensor | Tensors> | undefined }): Promise<Received<Outputs>>
 * }} RemoteForward
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
 *   Functions[Name] extends (dk: Runtime, ...args: infer Args) => infer Result ? RemoteSignature<Args, Result> : never
 * }} RemoteRuntime
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
