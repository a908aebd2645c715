/**
 * Types of what a project may or may not have. The published declarations must compile without the
 * DOM library, with those of Node only, and with TypeScript from 5.0 on. A name that TypeScript does
 * not know is an error there, or becomes `any` in silence.
 */

/**
 * Instances of a global class, such as Platform<'URL'>. `never` if no library of the project declares
 * the class.
 *
 * @template {string} Name
 * @typedef {typeof globalThis extends Record<Name, { readonly prototype: infer Instance }>
 *   ? Instance : never} Platform
 */

/**
 * What `using` looks for, if the project's libraries declare Symbol.dispose.
 *
 * @typedef {SymbolConstructor extends { readonly dispose: infer Dispose extends symbol }
 *   ? { [Name in Dispose]: () => void } : {}} UsingDisposable
 */

/**
 * A WebAssembly.Module. TypeScript's own declaration has no members, so that any value would pass for
 * one; this type refuses values that have members.
 *
 * @typedef {typeof globalThis extends { WebAssembly: { Module: { prototype: infer Module } } }
 *   ? keyof Module extends never ? Opaque : Module : Opaque} WasmModule
 */

/** @typedef {{ readonly opaque?: never }} Opaque an object that shows no members */

export {};
