/**
 * Types of classes that a project may lack. The published declarations must compile without the DOM
 * library, with Node's types only, and with TypeScript 5.0 or later. An unknown name would be an error
 * there, or would silently become `any`.
 */

/**
 * The instances of a global class, such as Platform<'URL'>; `never` if no library of the project
 * declares the class.
 *
 * @template {string} Name
 * @typedef {typeof globalThis extends Record<Name, { readonly prototype: infer Instance }>
 *   ? Instance : never} Platform
 */

/**
 * The member that `using` calls, if the project's libraries declare Symbol.dispose.
 *
 * @typedef {SymbolConstructor extends { readonly dispose: infer Dispose extends symbol }
 *   ? { [Name in Dispose]: () => void } : {}} UsingDisposable
 */

/**
 * A WebAssembly.Module. TypeScript's own declaration has no members, and any value matches it. This type
 * refuses values with members.
 *
 * @typedef {typeof globalThis extends { WebAssembly: { Module: { prototype: infer Module } } }
 *   ? keyof Module extends never ? Opaque : Module : Opaque} WasmModule
 */

/** @typedef {{ readonly opaque?: never }} Opaque an object without visible members */

export {};
