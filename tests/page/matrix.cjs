// Every page in both themes and both widths: axe-core finds nothing, and nothing needs scrolling sideways.
'use strict'

const { installed, logIn, play } = require('./drive.cjs')

const THEMES = ['light', 'dark']
const WIDTHS = [
  { width: 390, height: 844 },
  { width: 1400, height: 1000 },
]

/** What axe-core finds on the page as it stands: the rule, where, and why. */
async function findings(page) {
  const { violations } = await page.evaluate(() => window.axe.run(document, { resultTypes: ['violations'] }))
  return violations.flatMap(({ id, nodes }) => nodes.map((node) => `${id}: ${node.target.join(' ')}: ${node.failureSummary}`))
}

/** What sticks out of the page on the right. */
function sticksOut(page) {
  return page.evaluate(() => {
    const { scrollWidth, clientWidth } = document.documentElement
    if (scrollWidth <= clientWidth) return []
    const right = (part) => part.getBoundingClientRect().left + Math.max(part.scrollWidth, part.offsetWidth ?? 0)
    const parts = [...document.querySelectorAll('body *')].filter((part) => right(part) > clientWidth)
    const names = parts.map((part) => `${part.localName}.${part.className}`)
    return [`sideways: ${scrollWidth} px of ${clientWidth}: ${[...new Set(names)].slice(0, 8).join(', ')}`]
  })
}

play(async ({ params, visitor, watch }) => {
  // A colour is looked at when it has become what it will be.
  const page = await visitor({ reducedMotion: 'reduce' })
  await page.context().addInitScript({ path: installed.resolve('axe-core/axe.min.js') })
  const found = []
  const look = async (path) => {
    for (const colorScheme of THEMES) {
      await page.emulateMedia({ colorScheme })
      for (const size of WIDTHS) {
        await page.setViewportSize(size)
        const here = [...(await findings(page)), ...(await sticksOut(page))]
        found.push(...here.map((what) => `${path} (${colorScheme}, ${size.width}): ${what}`))
      }
    }
  }
  if (params.token) {
    await page.goto('/')
    await look('the login')
    await logIn(page, params.token)
    await page.waitForURL('/')
  }
  for (const path of params.paths) {
    const answer = await page.goto(path)
    if (!answer.ok()) watch.expected(new RegExp(`status of ${answer.status()}`))
    if (answer.status() !== (params.status ?? 200)) found.push(`${path}: answers ${answer.status()}`)
    await look(path)
  }
  return { found, looked: params.paths.length * THEMES.length * WIDTHS.length }
})
