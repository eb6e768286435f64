-- ngx.base64's two functions for base64url, as nginx has them: encoding without padding, decoding
-- that ends at the first "=" and refuses every other stranger (ngx_string.c).

local ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"

local value_of = {}
for i = 1, #ALPHABET do
  value_of[ALPHABET:sub(i, i)] = i - 1
end

local _M = {}

function _M.encode_base64url(text)
  local out = {}
  for i = 1, #text, 3 do
    local a, b, c = text:byte(i, i + 2)
    local bits = a * 65536 + (b or 0) * 256 + (c or 0)
    for place = 1, c and 4 or b and 3 or 2 do
      local index = math.floor(bits / 64 ^ (4 - place)) % 64
      out[#out + 1] = ALPHABET:sub(index + 1, index + 1)
    end
  end
  return table.concat(out)
end

function _M.decode_base64url(text)
  text = text:match("^[^=]*")
  if #text % 4 == 1 or text:find("[^%w_%-]") then
    return nil, "invalid input"
  end
  local out = {}
  for i = 1, #text, 4 do
    local bits, group = 0, text:sub(i, i + 3)
    for place = 1, 4 do
      bits = bits * 64 + (value_of[group:sub(place, place)] or 0)
    end
    local bytes = string.char(math.floor(bits / 65536), math.floor(bits / 256) % 256, bits % 256)
    out[#out + 1] = bytes:sub(1, #group - 1)
  end
  return table.concat(out)
end

return _M
