// Threads need memory that is shared, and that needs two headers which many static hosts cannot set. This file is both
// the page's script and its service worker: the worker adds the headers, the page reloads once to be served by it.
'use strict';
if (typeof window === 'undefined') {
  self.addEventListener('install', () => self.skipWaiting());
  self.addEventListener('activate', (event) => event.waitUntil(self.clients.claim()));
  self.addEventListener('fetch', (event) => {
    const { request } = event;
    // what comes from elsewhere asks for it by CORS, which isolated pages may
    if (new URL(request.url).origin !== self.location.origin) return;
    event.respondWith(
      fetch(request).then((response) => {
        if (response.status === 0) return response;
        const headers = new Headers(response.headers);
        headers.set('cross-origin-opener-policy', 'same-origin');
        headers.set('cross-origin-embedder-policy', 'require-corp');
        headers.set('cross-origin-resource-policy', 'same-origin');
        const { status, statusText } = response;
        return new Response(response.body, { status, statusText, headers });
      }),
    );
  });
} else if (!window.crossOriginIsolated && window.isSecureContext && 'serviceWorker' in navigator) {
  const tried = 'fastv-isolation-tried';
  navigator.serviceWorker.register(document.currentScript.src).then(
    () => {
      if (sessionStorage.getItem(tried) !== null) return;
      sessionStorage.setItem(tried, 'yes');
      navigator.serviceWorker.ready.then(() => location.reload());
    },
    () => undefined,
  );
}
