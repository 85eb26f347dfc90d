// Without script every page shows the same facts.
'use strict'

const { play, words } = require('./drive.cjs')

/** What a page shows. Times are as the server wrote them; parts that differ at each visit are left out. */
async function facts(page, path) {
  await page.goto(path)
  const main = page.locator('main')
  const times = await main.locator('time').evaluateAll((times) => times.map((time) => time.dateTime))
  const shown = await main.locator('time').allInnerTexts()
  const text = shown.reduce((text, time) => text.replace(time.replace(/\s+/g, ' '), '(time)'), await words(main))
  const ago = /\b[\d,.]+ (ms|s|min|h|d)\b( \d+ (s|min|h)\b)?/g
  const made = /[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}|[\d-]{10}T[\d:.]+Z/g
  // Only a page that is kept up to date has an age.
  const age = / live · \d\d:\d\d:\d\d/
  return { path, text: text.replace(age, '').replace(ago, '(span)').replace(made, '(made)'), times }
}

/** The facts of two visits within one minute: the plots' newest minute is empty when the next one begins. */
async function within_a_minute(visit) {
  const minute = () => Math.floor(Date.now() / 60000)
  for (let tries = 1; ; tries += 1) {
    const begun = minute()
    const both = await visit()
    if (minute() === begun || tries === 3) {
      return both
    }
  }
}

play(async ({ params, visitor }) => {
  const [scripted, scriptless] = [await visitor(), await visitor({ javaScriptEnabled: false })]
  const different = []
  for (const path of params.paths) {
    const [without, with_script] = await within_a_minute(async () => [await facts(scriptless, path), await facts(scripted, path)])
    if (JSON.stringify(without) !== JSON.stringify(with_script)) different.push({ without, with_script })
  }
  return { different }
})
