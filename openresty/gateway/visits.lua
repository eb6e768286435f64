-- When somebody was last let in, for the many who come once: a mark each in memory that all workers share.
--
-- Most shoppers of a sale click once or twice. A shared dictionary takes 1 to 2 µs to make an entry for
-- each and as much to drop it again; a mark here takes a tenth. It is 32 bits, some of a hash and a time, in
-- the one place that the rest of the hash says, and goes when somebody else's comes there. Four bytes and not
-- more, because each look is a miss in the processor's cache, and the smaller the memory the cheaper it is.
--
-- The time comes round every 17 minutes. Who comes back after just so long passes for somebody who was here a
-- moment ago, which is stricter by one admission of a bucket that is full again in seconds.
--
-- Marks are read and written without a lock. What a race can lose or mix up is one mark: somebody passes
-- for new who came a microsecond before, and is let in once more.

local ffi = require "ffi"

local band, bor, bxor = bit.band, bit.bor, bit.bxor
local lshift, rshift, tobit = bit.lshift, bit.rshift, bit.tobit
local byte = string.byte

ffi.cdef [[
void *mmap(void *start, size_t length, int protection, int flags, int file, long offset);
int munmap(void *start, size_t length);
]]

local READ_AND_WRITE, SHARED_AND_ANONYMOUS = 3, 0x21 -- <sys/mman.h> on Linux
-- At 60,000 strangers a second one mark in seventeen goes within a second.
local MARKS = 2 ^ 20
local BYTES = MARKS * 4
local TIME_BITS = 20
local WRAPS_MS = 2 ^ TIME_BITS

local _M = {}

--- Room for marks of one kind. To be called in the master: its workers inherit it and share it.
function _M.new()
  local memory = ffi.C.mmap(nil, BYTES, READ_AND_WRITE, SHARED_AND_ANONYMOUS, -1, 0)
  if ffi.cast("intptr_t", memory) == -1 then
    error("no memory for the marks of visitors", 0)
  end
  -- The master forgets its Lua at a reload; the workers keep their own hold on it.
  ffi.gc(memory, function(start) ffi.C.munmap(start, BYTES) end)
  return { memory = memory, marks = ffi.cast("int32_t *", memory) }
end

--- Where the mark of a key is, and what it looks like. One-at-a-time (Jenkins).
function _M.place(key)
  local hash = 0
  for i = 1, #key do
    hash = tobit(hash + byte(key, i))
    hash = tobit(hash + lshift(hash, 10))
    hash = bxor(hash, rshift(hash, 6))
  end
  hash = tobit(hash + lshift(hash, 3))
  hash = bxor(hash, rshift(hash, 11))
  hash = tobit(hash + lshift(hash, 15))
  -- Never 0, which is an empty place.
  return band(hash, MARKS - 1), bor(rshift(hash, TIME_BITS), 1)
end

--- What is at a place now, for ago_ms.
function _M.at(visits, place)
  return visits.marks[place]
end

--- How long ago in ms somebody with this mark was let in, or nil when none is known. known: of `at`.
function _M.ago_ms(known, mark, now_ms)
  if rshift(known, TIME_BITS) ~= mark then
    return nil
  end
  return (now_ms - band(known, WRAPS_MS - 1)) % WRAPS_MS
end

--- Somebody was let in.
function _M.note(visits, place, mark, now_ms)
  visits.marks[place] = bor(lshift(mark, TIME_BITS), now_ms % WRAPS_MS)
end

return _M
