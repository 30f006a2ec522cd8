// What a page complains about.

/** Collects what the console of a page complains about: errors, thrown errors, warnings, violations of the policy. */
export async function complaintsOf(page) {
  const complaints = [];
  page.on('console', (message) => {
    if (['error', 'warning'].includes(message.type())) complaints.push(message.text());
  });
  page.on('pageerror', (error) => complaints.push(String(error)));
  await page.addInitScript(() => {
    addEventListener('securitypolicyviolation', (event) => console.error(`refused: ${event.violatedDirective}`));
    addEventListener('unhandledrejection', (event) => console.error(`unhandled: ${event.reason}`));
  });
  return complaints;
}
