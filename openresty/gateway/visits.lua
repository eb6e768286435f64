-- When somebody was last let in, for the many who come once: a mark each in memory that all workers share.
--
-- Most shoppers of a sale click once or twice. A shared dictionary takes 1 to 2 µs to make an entry for
-- each and as much to drop it again; a mark here takes a tenth. It has 32 bits of a hash and a time, in the
-- one place that the rest of the hash says, and goes when somebody else's comes there.
--
-- Marks are read and written without a lock. What a race can lose or mix up is one mark: somebody passes
-- for new who came a microsecond before, and is let in once more.

local ffi = require "ffi"

local band, bxor, lshift, rshift, tobit = bit.band, bit.bxor, bit.lshift, bit.rshift, bit.tobit
local byte = string.byte

ffi.cdef [[
void *mmap(void *start, size_t length, int protection, int flags, int file, long offset);
int munmap(void *start, size_t length);
]]

local READ_AND_WRITE, SHARED_AND_ANONYMOUS = 3, 0x21 -- <sys/mman.h> on Linux
-- At 60,000 strangers a second one mark in seventeen goes within a second.
local MARKS = 2 ^ 20
local BYTES = MARKS * 8
local WRAPS_MS = 2 ^ 32

local _M = {}

--- Room for marks of one kind. To be called in the master: its workers inherit it and share it.
function _M.new()
  local memory = ffi.C.mmap(nil, BYTES, READ_AND_WRITE, SHARED_AND_ANONYMOUS, -1, 0)
  if ffi.cast("intptr_t", memory) == -1 then
    error("no memory for the marks of visitors", 0)
  end
  -- The master forgets its Lua at a reload; the workers keep their own hold on it.
  ffi.gc(memory, function(start) ffi.C.munmap(start, BYTES) end)
  return { memory = memory, marks = ffi.cast("uint32_t *", memory) }
end

--- Where the mark of a key is, and what it looks like. One-at-a-time (Jenkins), and the last four bytes,
-- which are what differs most.
function _M.place(key)
  local hash, length = 0, #key
  for i = 1, length do
    hash = tobit(hash + byte(key, i))
    hash = tobit(hash + lshift(hash, 10))
    hash = bxor(hash, rshift(hash, 6))
  end
  hash = tobit(hash + lshift(hash, 3))
  hash = bxor(hash, rshift(hash, 11))
  hash = tobit(hash + lshift(hash, 15))
  local a, b, c, d = byte(key, length - 3, length)
  local tail = bxor(lshift(a or 0, 24), lshift(b or 0, 16), lshift(c or 0, 8), d or 0)
  -- Never 0, which is an empty place.
  return 2 * band(hash, MARKS - 1), bxor(hash, tail) % WRAPS_MS + (bxor(hash, tail) == 0 and 1 or 0)
end

--- How long ago in ms somebody with this mark was let in, or nil when none is known.
function _M.ago_ms(visits, place, mark, now_ms)
  local marks = visits.marks
  if marks[place] ~= mark then
    return nil
  end
  return (now_ms - marks[place + 1]) % WRAPS_MS
end

--- Somebody was let in.
function _M.note(visits, place, mark, now_ms)
  local marks = visits.marks
  marks[place], marks[place + 1] = mark, now_ms % WRAPS_MS
end

return _M
