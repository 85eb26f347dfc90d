// Updates pages without reloading them. Every page is complete without this script.
'use strict'

// Shows times in the reader's time zone; UTC is shown on hover.
function localTimes(part) {
  const now = new Date()
  for (const time of part.querySelectorAll('time[datetime]')) {
    const at = new Date(time.dateTime)
    if (Number.isNaN(at.getTime())) continue
    const today = at.toDateString() === now.toDateString()
    const short = 'short' in time.dataset
    const day = today || short ? {} : { year: 'numeric', month: 'short', day: 'numeric' }
    time.textContent = at.toLocaleString(undefined, {
      ...day,
      hour: '2-digit',
      minute: '2-digit',
      second: short ? undefined : '2-digit',
      hourCycle: 'h23',
    })
  }
}

// Replaces the content of a part, unless the focus or a text selection is in it.
const shown = new WeakMap()
function replace(part, html) {
  if (shown.get(part) === html) return true
  if (part.contains(document.activeElement) && document.activeElement !== part) return false
  const selection = document.getSelection()
  if (selection && !selection.isCollapsed && part.contains(selection.anchorNode)) return false
  part.innerHTML = html
  shown.set(part, html)
  localTimes(part)
  return true
}

// The server sends an event every few seconds; after this many milliseconds without one the connection is lost.
const SILENT = 20000

// <div data-live="/live">: the server sends each part with a data-part again when it has changed. A hidden tab has no
// connection.
function live(whole) {
  let source
  let answered = Date.now()
  const parts = new Map()
  const age = document.createElement('span')
  age.className = 'hint'
  document.querySelector('h1')?.append(' ', age)
  const gone = document.createElement('p')
  gone.className = 'note bad'
  gone.setAttribute('role', 'alert')
  gone.hidden = true
  whole.before(gone)
  const clock = (at) => new Date(at).toLocaleTimeString(undefined, { hour: '2-digit', minute: '2-digit', second: '2-digit', hourCycle: 'h23' })
  const alive = () => {
    answered = Date.now()
    gone.hidden = true
    age.textContent = `live · ${clock(answered)}`
  }
  const lost = () => {
    if (!gone.hidden) return
    gone.textContent = `No connection to the relay since ${clock(answered)}: these figures are old.`
    gone.hidden = false
    age.textContent = `old · ${clock(answered)}`
  }
  setInterval(() => {
    if (source && Date.now() - answered > SILENT) lost()
  }, 1000)
  for (const part of whole.querySelectorAll('[data-part]')) parts.set(part.dataset.part, part)
  const listen = () => {
    answered = Date.now()
    source = new EventSource(whole.dataset.live)
    source.addEventListener('open', alive)
    source.addEventListener('error', lost)
    source.addEventListener('still', alive)
    for (const [name, part] of parts) {
      source.addEventListener(name, (event) => {
        alive()
        replace(part, event.data)
      })
    }
  }
  const stop = () => {
    source?.close()
    source = undefined
  }
  const look = () => {
    if (document.hidden) stop()
    else if (!source) listen()
  }
  document.addEventListener('visibilitychange', look)
  window.addEventListener('pagehide', stop)
  window.addEventListener('pageshow', look)
  look()
}

// <div data-follow="1000">: reloaded at this interval in milliseconds, until the server sends it without the attribute.
function follow(part) {
  const again = async () => {
    if (document.hidden) return void setTimeout(again, 1000)
    let pause = Number(part.dataset.follow)
    try {
      const answer = await fetch(location.href, { headers: { accept: 'text/html' } })
      const page = new DOMParser().parseFromString(await answer.text(), 'text/html')
      const fresh = answer.ok && page.getElementById(part.id)
      if (fresh && replace(part, fresh.innerHTML)) {
        if (!fresh.dataset.follow) return part.removeAttribute('data-follow')
      }
    } catch {
      pause = 5000
    }
    setTimeout(again, pause)
  }
  setTimeout(again, Number(part.dataset.follow))
}

// Shows the values of a chart under the pointer.
function readOut(event) {
  const figure = event.target.closest?.('figure[data-plot]')
  if (!figure) return
  const output = figure.querySelector('output')
  const drawing = event.target.closest('svg')
  if (!drawing) return void (output.textContent = '')
  const box = drawing.getBoundingClientRect()
  const lines = [...figure.querySelectorAll('[data-values]')]
  const values = lines.map((line) => line.dataset.values.split(','))
  const at = Math.round(((event.clientX - box.left) / box.width) * (values[0].length - 1))
  const time = new Date(Number(figure.dataset.from) + at * Number(figure.dataset.step))
  const unit = figure.dataset.plot === 'seconds' ? ' s' : ''
  const texts = values.map((of, line) => `${lines[line].dataset.name} ${of[at] ? Number(of[at]).toLocaleString() + unit : '–'}`)
  const clock = time.toLocaleTimeString(undefined, { hour: '2-digit', minute: '2-digit', hourCycle: 'h23' })
  output.textContent = `${clock}: ${texts.join(', ')}`
}
document.addEventListener('pointermove', readOut)

// A keyboard shortcut for the search.
document.addEventListener('keydown', (event) => {
  const typing = event.target.closest('input, textarea, select, [contenteditable]')
  if (event.key !== '/' || typing || event.ctrlKey || event.metaKey || event.altKey) return
  event.preventDefault()
  document.getElementById('q')?.focus()
})

// Marks the member of the call that a field of a request comes from.
function origin(event) {
  for (const lit of document.querySelectorAll('.lit')) lit.classList.remove('lit')
  const from = event.target.closest?.('[data-from]')?.dataset.from
  if (from === undefined) return
  for (const at of document.querySelectorAll('[data-at]')) at.classList.toggle('lit', at.dataset.at === from)
}
for (const kind of ['mouseover', 'focusin']) document.addEventListener(kind, origin)

localTimes(document)
for (const whole of document.querySelectorAll('[data-live]')) live(whole)
for (const part of document.querySelectorAll('[data-follow][id]')) follow(part)
