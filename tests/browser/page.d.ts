/** The globals that the tests set on the page and use there. */
declare const Float16Array: any;
declare const canvas: any;
declare const columns: any;
declare const dk: any;
declare const drawing: any;
declare const load: any;
declare const paint: any;
declare const painted: any;
declare const photo: any;
declare const quarters: any;
declare const refused: any;
declare const seen: any;
declare const shown: any;
declare const url: any;
