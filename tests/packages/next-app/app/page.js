'use client';
import { useEffect } from 'react';
import { start } from '../src/page.js';

let started = false; // effects run twice in development

export default function Page() {
  useEffect(() => {
    if (!started) start();
    started = true;
  }, []);
  return <p>app</p>;
}
