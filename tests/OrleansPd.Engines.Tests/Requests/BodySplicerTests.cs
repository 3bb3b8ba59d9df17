using System.Text;
using System.Text.Json.Nodes;
using OrleansPd.Engines.Requests;

namespace OrleansPd.Engines.Tests.Requests;

public sealed class BodySplicerTests
{
    private static readonly LegMembers Full = new()
    {
        BootstrapHost = "h\"\\\n",
        BootstrapPort = 8998,
        Room = 7,
        RoutedDpRank = 2,
        DisaggPrefillDpRank = 1,
        Rid = "r",
    };

    private const string FullText = "\"bootstrap_host\":\"h\\\"\\\\\\u000a\",\"bootstrap_port\":8998,\"bootstrap_room\":7,"
        + "\"routed_dp_rank\":2,\"disagg_prefill_dp_rank\":1,\"rid\":\"r\"}";

    [Theory]
    [InlineData("""{"text":"a"}""", """{"text":"a",""")]
    [InlineData("""{"bootstrap_room":1,"text":"a"}""", """{"text":"a",""")]
    [InlineData("""{"text":"a" , "bootstrap_room" : 1 }""", """{"text":"a" ,""")]
    [InlineData("""{"bootstrap_host":"x","text":"a","bootstrap_port":1,"bootstrap_room":2}""", """{"text":"a",""")]
    [InlineData("""{"rid":"x","\u0062ootstrap_room":[1,2],"text":"a","bootstrap_room":3,"z":1}""", """{"text":"a","z":1,""")]
    [InlineData("""{"text":"a","decode_tp_size":1,"bootstrap_pair_key":"k","routed_dp_rank":1,"data_parallel_rank":0,"disagg_prefill_dp_rank":9}""",
        """{"text":"a",""")]
    public void Members_of_the_gateway_replace_the_clients(string body, string start) =>
        Assert.Equal(start + FullText, Spliced(body, Full));

    [Fact]
    public void Without_members_to_add_only_members_are_removed() =>
        Assert.Equal("""{"text":"a", "rid":"x"} """, Spliced("""{"text":"a", "rid":"x","bootstrap_room":1} """, default));

    [Fact]
    public void Null_port_is_written_as_null() => Assert.Equal(
        """{"text":"a","bootstrap_host":"[::1]","bootstrap_port":null,"bootstrap_room":1}""",
        Spliced("""{"text":"a"}""", new() { BootstrapHost = "[::1]", Room = 1 }));

    [Theory]
    [InlineData(1)]
    [InlineData(9007199254740993)]
    [InlineData(long.MaxValue)]
    public void Rooms_are_exact(long room)
    {
        var single = JsonNode.Parse(Spliced("""{"text":"a"}""", new() { BootstrapHost = "h", Room = room }))!;
        Assert.Equal(room, single["bootstrap_room"]!.GetValue<long>());
        var batch = JsonNode.Parse(
            Spliced("""{"text":["a","b"]}""", new(
                )
            { BootstrapHost = "h", Rooms = new[] { room, 5L }, Rids = new[] { "x", "y" } }))!;
        Assert.Equal([room, 5L], batch["bootstrap_room"]!.AsArray().Select(value => value!.GetValue<long>()));
        Assert.Equal("""["x","y"]""", batch["rid"]!.ToJsonString());
    }

    [Fact]
    public void Wrong_rooms_never_leave_the_process()
    {
        LegMembers[] forSingle =
        [
            new() { BootstrapHost = "h" }, new() { BootstrapHost = "h", Room = -1 }, new() { Room = 1 },
            new() { BootstrapHost = "h", Rooms = new[] { 1L } }, new() { Rids = new[] { "a" } },
        ];
        foreach (var members in forSingle)
            Assert.Throws<ArgumentException>(() => Spliced("""{"text":"a"}""", members));

        LegMembers[] forBatch =
        [
            new() { BootstrapHost = "h", Room = 1 }, new() { BootstrapHost = "h", Rooms = new[] { 1L } },
            new() { BootstrapHost = "h", Rooms = new[] { 1L, 1L } }, new() { BootstrapHost = "h", Rooms = new[] { 0L, 1L } },
            new() { Rids = new[] { "a" } }, new() { Rid = "a", Rids = new[] { "a", "b" } },
        ];
        foreach (var members in forBatch)
            Assert.Throws<ArgumentException>(() => Spliced("""{"text":["a","b"]}""", members));
    }

    [Fact]
    public void A_sample_of_a_batch_takes_its_elements()
    {
        const string Body = """
            {"text":["a","b\u00e4"],"sampling_params":[{"n":2},{"sampling_seed": 40,"n": 2,"x":[1.50]}],"rid":["r0","r1"],"lora_path":["l0","l1"],
            "return_logprob":[true,false],"logprob_start_len":[0,1],"top_logprobs_num":[3,4],"image_data":[["i"],null],"token_ids_logprob":[5,6],
            "unknown":[ 1,2 ],"bootstrap_room":[1,2]}
            """;
        Assert.Equal(
            """
            {"text":"b\u00e4","sampling_params":{"sampling_seed": 41,"n": 1,"x":[1.50]},"lora_path":"l1",
            "return_logprob":false,"logprob_start_len":1,"top_logprobs_num":4,"image_data":null,"token_ids_logprob":[5,6],
            "unknown":[ 1,2 ],"bootstrap_host":"h","bootstrap_port":1,"bootstrap_room":9,"rid":"q"}
            """,
            Sample(Body, Dialect.Generate, 1, 1, new() { BootstrapHost = "h", BootstrapPort = 1, Room = 9, Rid = "q" }));
        Assert.Contains("\"rid\":\"r0\",\"lora_path\":\"l0\"", Sample(
            Body, Dialect.Generate, 0, 0, default), StringComparison.Ordinal);
    }

    [Fact]
    public void Samples_of_a_chat_differ_only_by_the_seed()
    {
        const string Body = """{"messages":[{"n":3}], "n" : 3 ,"seed":11,"stream":true}""";
        Assert.Equal("""{"messages":[{"n":3}], "n" : 1 ,"seed":11,"stream":true}""", Sample(Body, Dialect.Chat, 0, 0, default));
        Assert.Equal("""{"messages":[{"n":3}], "n" : 1 ,"seed":13,"stream":true}""", Sample(Body, Dialect.Chat, 0, 2, default));
        Assert.Equal(
            """{"messages":[{}],"n":1,"seed":9223372036854775806}""",
            Sample("""{"messages":[{}],"n":2,"seed":9223372036854775807}""", Dialect.Chat, 0, 1, default));
        Assert.Equal("""{"messages":[{}],"n":1,"seed":null}""", Sample(
            """{"messages":[{}],"n":2,"seed":null}""", Dialect.Chat, 0, 1, default));
    }

    [Fact]
    public void An_empty_list_applies_to_every_prompt() => Assert.Equal(
        """{"text":"b","image_data":[ ]}""", Sample("""{"text":["a","b"],"image_data":[ ]}""", Dialect.Generate, 1, 0, default));

    [Fact]
    public void A_completion_batch_of_ids_is_split()
    {
        const string Body = """{"n":2,"prompt":[[1, 2],[3]],"lora_path":["a","b"]}""";
        Assert.Equal("""{"n":1,"prompt":[3],"lora_path":"b"}""", Sample(Body, Dialect.Completions, 1, 1, default));
    }

    [Fact]
    public void Segments_add_up_and_share_the_clients_buffer()
    {
        var body = Scan.Utf8("""{"bootstrap_room":1,"text":"a"}""");
        var shape = Scan.Ok(body, Dialect.Generate);
        using var spliced = BodySplicer.Splice(body, shape, Full);
        var text = new StringBuilder();
        foreach (var segment in spliced)
        {
            Assert.NotEqual(0, segment.Length);
            text.Append(Encoding.UTF8.GetString(segment.Span));
        }
        Assert.Equal(spliced.Length, text.Length);
        Assert.Equal(Encoding.UTF8.GetString(spliced.ToArray()), text.ToString());
        body[21] = (byte)'X';
        Assert.Contains("Xext", Encoding.UTF8.GetString(spliced.ToArray()), StringComparison.Ordinal);
    }

    private static string Spliced(string body, LegMembers members)
    {
        var bytes = Scan.Utf8(body);
        using var spliced = BodySplicer.Splice(bytes, Scan.Ok(bytes, Dialect.Generate), members);
        return Encoding.UTF8.GetString(spliced.ToArray());
    }

    private static string Sample(string body, Dialect dialect, int item, int sample, LegMembers members)
    {
        var bytes = Scan.Utf8(body);
        using var spliced = BodySplicer.SpliceSample(bytes, Scan.Ok(bytes, dialect), item, sample, members);
        return Encoding.UTF8.GetString(spliced.ToArray());
    }
}
