-- gateway.kafka.messages: requests as librdkafka's protocol has them, answers as Kafka gave them.

local golden = require "spec.kafka.golden"
local messages = require "gateway.kafka.messages"

describe("metadata", function()
  it("is asked for one topic, which is not to be made", function()
    assert.equal(golden.METADATA_REQUEST, messages.metadata_request(7, "c", "golden"))
  end)

  it("tells the leader of each partition", function()
    local leaders = messages.leaders(golden.METADATA)
    assert.same({ { host = "127.0.0.1", port = 19092 }, { host = "127.0.0.1", port = 19092 } }, leaders)
    assert.equal(leaders[1], leaders[2]) -- one broker, one request
  end)

  it("of a topic that is not there is an error", function()
    local leaders, err = messages.leaders(golden.METADATA_UNKNOWN)
    assert.is_nil(leaders)
    assert.equal("topic: error 3", err)
  end)

  it("that is cut anywhere is an error and no crash", function()
    for length = 0, #golden.METADATA - 1 do
      assert.is_nil((messages.leaders(golden.METADATA:sub(1, length))))
    end
  end)
end)

describe("produce", function()
  it("carries the batches as they are, with their lengths", function()
    local batches = { { partition = 2, text = "abc" }, { partition = 5, text = "defg" } }
    local text = table.concat(messages.produce_request(9, "c", "t", 1000, batches))
    local body = "\0\0\0\3\0\0\0\9\0\1c" .. "\255\255\0\1\0\0\3\232" .. "\0\0\0\1\0\1t" .. "\0\0\0\2"
      .. "\0\0\0\2\0\0\0\3abc" .. "\0\0\0\5\0\0\0\4defg"
    assert.equal("\0\0\0" .. string.char(#body) .. body, text)
  end)

  it("is answered with a code a partition", function()
    local rest = string.rep("\0", 16)
    local answer = "\0\0\0\9\0\0\0\1\0\1t\0\0\0\2\0\0\0\2\0\0" .. rest .. "\0\0\0\5\0\6" .. rest .. "\0\0\0\0"
    assert.same({ [2] = 0, [5] = 6 }, messages.produce_codes(answer))
  end)

  it("with an answer that is cut is of unknown result", function()
    assert.is_nil((messages.produce_codes("\0\0\0\9\0\0\0\1\0\1t\0\0\0\2\0\0")))
  end)
end)
