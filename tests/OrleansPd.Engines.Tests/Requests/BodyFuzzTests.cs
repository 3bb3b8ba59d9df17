using System.Text;
using System.Text.Json;
using System.Text.Unicode;
using OrleansPd.Engines.Requests;

namespace OrleansPd.Engines.Tests.Requests;

/// <summary>Random bodies against System.Text.Json. A failure prints its seed.</summary>
public sealed class BodyFuzzTests
{
    private static readonly string[] Cut =
    [
        "bootstrap_host", "bootstrap_port", "bootstrap_room", "bootstrap_pair_key",
        "decode_tp_size", "routed_dp_rank", "disagg_prefill_dp_rank", "data_parallel_rank",
    ];

    [Theory]
    [InlineData(Dialect.Generate)]
    [InlineData(Dialect.Chat)]
    [InlineData(Dialect.Completions)]
    public void Facts_and_splices_agree_with_the_document_model(Dialect dialect) => Seeds(3000, (seed, random) =>
    {
        var text = new RandomBody(random, dialect).Write();
        var body = Scan.Utf8(text);
        var shape = new RequestShape();
        Assert.True(RequestScanner.TryScan(body, dialect, ScanLimits.Default, shape, out var error), $"{error.Message} {text}");
        var wanted = Members(body);
        CheckFacts(shape, body, wanted, dialect);

        var rooms = Enumerable.Range(0, shape.Items).Select(item => long.MaxValue - item).ToArray();
        var members = new LegMembers
        {
            BootstrapHost = "[::1]",
            BootstrapPort = 1,
            DisaggPrefillDpRank = 3,
            Rid = random.Next(
            2) == 0 ? "ours" : null
        };
        members = shape.IsBatch ? members with { Rooms = rooms } : members with { Room = rooms[0] };
        using (var spliced = BodySplicer.Splice(body, shape, members))
        {
            var expected = Expected(wanted, members);
            expected["bootstrap_room"] = shape.IsBatch ? $"[{string.Join(',', rooms)}]" : $"{rooms[0]}";
            AssertSame(expected, Members(spliced.ToArray(), spliced: true));
        }
        var sample = random.Next(shape.Samples);
        var item = random.Next(shape.Items);
        members = members with { Room = 1, Rooms = default, Rid = "ours" };
        using (var spliced = BodySplicer.SpliceSample(body, shape, item, sample, members))
            CheckSample(spliced.ToArray(), shape, wanted, members, item, sample);
    });

    [Fact]
    public void Strings_full_of_escapes_are_accepted_or_refused_like_Utf8JsonReader_does() => Seeds(20_000, (seed, random) =>
    {
        string[] parts = ["\\\\", "\\\"", "\\n", "\\u00e9", "\\uAFbc", "\\b\\f\\r", "\\\\\\\\", "a", "word ", "é", "\\t", "\\/",
            "plain text between "];
        var text = new StringBuilder("{\"text\":\"");
        for (var count = random.Next(1, 120); count > 0; count--)
            text.Append(parts[random.Next(parts.Length)]);

        var body = Scan.Utf8(text.Append("\",\"rid\":\"r\"}").ToString());
        var shape = Scan.Ok(body, Dialect.Generate);
        Assert.Equal(body.Length - "{\"text\":\"\",\"rid\":\"r\"}".Length, shape.PromptBytes - 2);
        var broken = body.ToArray();
        broken[random.Next(9, broken.Length)] = (byte)"\\\"u\n\0x}"[random.Next(7)];
        Judge(broken, Dialect.Generate, shape);
    });

    [Fact]
    public void Malformed_bodies_are_accepted_or_refused_like_Utf8JsonReader_does() => Seeds(20_000, (seed, random) =>
    {
        var dialect = (Dialect)random.Next(3);
        var body = Scan.Utf8(new RandomBody(random, dialect).Write()).ToList();
        for (var count = random.Next(1, 4); count > 0 && body.Count > 0; count--)
            Mutate(body, random);

        Judge([.. body], dialect, new RequestShape());
    });

    [Fact]
    public void Lists_of_integers_are_accepted_or_refused_like_Utf8JsonReader_does() => Seeds(20_000, (seed, random) =>
    {
        var text = new StringBuilder("{\"input_ids\":[");
        string[] separators = random.Next(2) == 0 ? [","] : [", "];
        for (var count = random.Next(1, 60); count > 0; count--)
        {
            text.Append(random.Next(4) switch { 0 => random.Next(10), 1 => random.Next(1000), _ => random.Next() });
            if (random.Next(300) == 0)
                text.Append(separators[0]).Append('7', random.Next(1, 140));

            text.Append(count > 1 ? separators[random.Next(separators.Length)] : "]}");
        }
        var body = Scan.Utf8(text.ToString());
        var shape = Scan.Ok(body, Dialect.Generate);
        Assert.Equal(JsonDocument.Parse(body).RootElement.GetProperty("input_ids").GetArrayLength(), shape.PromptTokensEstimate);
        if (random.Next(4) > 0)
        {
            var broken = body.ToList();
            var at = random.Next(14, broken.Count);
            broken[at] = (byte)" 0,-.]1["[random.Next(8)];
            Judge([.. broken], Dialect.Generate, shape);
        }
    });

    private static void Judge(byte[] body, Dialect dialect, RequestShape shape)
    {
        var good = RequestScanner.TryScan(body, dialect, ScanLimits.Default, shape, out var error);
        Assert.True(IsObject(body) == (good || error.Param is not null), $"{error.Message} {Encoding.UTF8.GetString(body)}");
        if (!good)
        {
            Assert.NotEmpty(error.Message);
            Assert.InRange(error.Offset, 0, body.Length);
            return;
        }
        using var spliced = BodySplicer.Splice(body, shape, new LegMembers { Rid = "ours" });
        Assert.True(IsObject(spliced.ToArray()));
    }

    private static void Mutate(List<byte> body, Random random)
    {
        var at = random.Next(body.Count);
        switch (random.Next(5))
        {
            case 0:
                body[at] = (byte)random.Next(256);
                break;
            case 1:
                body[at] = (byte)"\"\\{}[],:0-1.eEtfnu \n"[random.Next(20)];
                break;
            case 2:
                body.RemoveAt(at);
                break;
            case 3:
                body.Insert(at, (byte)"\"\\{}[],:0-1.eEtfnu \n"[random.Next(20)]);
                break;
            default:
                if (random.Next(5) == 0)
                    body.RemoveRange(at, body.Count - at);
                else
                    body.InsertRange(at, Enumerable.Repeat((byte)'[', random.Next(1, 70)));

                break;
        }
    }

    private static bool IsObject(byte[] body)
    {
        if (!Utf8.IsValid(body))
            return false;

        try
        {
            var reader = new Utf8JsonReader(body, new JsonReaderOptions { MaxDepth = 64 });
            if (!reader.Read() || reader.TokenType != JsonTokenType.StartObject)
                return false;

            while (reader.Read())
            {
            }
            return true;
        }
        catch (JsonException)
        {
            return false;
        }
    }

    private static void CheckFacts(RequestShape shape, byte[] body, Dictionary<string, JsonElement> wanted, Dialect dialect)
    {
        Assert.Equal(wanted.TryGetValue("stream", out var stream) && stream.ValueKind == JsonValueKind.True, shape.Stream);
        Assert.Equal(
            wanted.TryGetValue("model", out var model) && model.ValueKind == JsonValueKind.String ? model.GetString() : null,
            shape.TryGetModel(body, out var name) ? name : null);
        var prompt = wanted[dialect switch { Dialect.Chat => "messages", Dialect.Completions => "prompt", _ => "text" }];
        Assert.Equal(prompt.GetRawText(), Encoding.UTF8.GetString(shape.Prompt.Of(body)));
        var batch = dialect != Dialect.Chat && prompt.ValueKind == JsonValueKind.Array
            && prompt[0].ValueKind != JsonValueKind.Number;
        Assert.Equal((batch, batch ? prompt.GetArrayLength() : 1), (shape.IsBatch, shape.Items));
        if (shape.PromptKind == PromptKind.Ids)
            Assert.Equal(prompt.GetArrayLength(), shape.PromptTokensEstimate);

        var owner = dialect != Dialect.Generate ? wanted : [];
        if (dialect == Dialect.Generate && wanted.TryGetValue("sampling_params", out var parameters))
        {
            foreach (var member in (parameters.ValueKind == JsonValueKind.Array ? parameters[0] : parameters).EnumerateObject())
                owner[member.Name] = member.Value;
        }
        Assert.Equal(owner.TryGetValue("n", out var n) && n.ValueKind == JsonValueKind.Number ? n.GetInt32() : 1, shape.Samples);
    }

    private static void CheckSample(
        byte[] spliced, RequestShape shape, Dictionary<string, JsonElement> wanted, LegMembers members, int item, int sample)
    {
        var expected = Expected(wanted, members);
        expected["bootstrap_room"] = "1";
        foreach (var (name, value) in wanted)
        {
            if (!shape.IsBatch || value.ValueKind != JsonValueKind.Array)
                continue;

            if (name is "text" or "prompt" or "sampling_params" or "return_logprob" or "top_logprobs_num" or "lora_path")
                expected[name] = value[item].GetRawText();
        }
        if (expected.TryGetValue("n", out var n) && n != "null" && shape.Dialect != Dialect.Generate)
            expected["n"] = "1";

        if (expected.TryGetValue("sampling_params", out var parameters))
        {
            var seed = JsonDocument.Parse(parameters).RootElement.GetProperty("sampling_seed").GetInt32();
            expected["sampling_params"] = parameters.Replace($"\"n\":{shape.Samples}", "\"n\":1", StringComparison.Ordinal)
                .Replace($"\"sampling_seed\": {seed}", $"\"sampling_seed\": {seed + sample}", StringComparison.Ordinal);
        }
        AssertSame(expected, Members(spliced, spliced: true));
    }

    private static Dictionary<string, string> Expected(Dictionary<string, JsonElement> wanted, LegMembers members)
    {
        var expected = wanted.Where(member => !Cut.Contains(member.Key))
            .ToDictionary(member => member.Key, member => member.Value.GetRawText());
        expected["bootstrap_host"] = "\"[::1]\"";
        expected["bootstrap_port"] = "1";
        expected["disagg_prefill_dp_rank"] = "3";
        if (members.Rid is not null)
            expected["rid"] = $"\"{members.Rid}\"";

        return expected;
    }

    private static void AssertSame(Dictionary<string, string> expected, Dictionary<string, JsonElement> actual) => Assert.Equal(
        expected.OrderBy(member => member.Key, StringComparer.Ordinal).Select(member => (member.Key, member.Value)),
        actual.OrderBy(member => member.Key, StringComparer.Ordinal).Select(member => (member.Key, member.Value.GetRawText())));

    /// <summary>The last duplicate wins; a spliced body must not have a removed member twice, in any spelling.</summary>
    private static Dictionary<string, JsonElement> Members(byte[] body, bool spliced = false)
    {
        var members = new Dictionary<string, JsonElement>(StringComparer.Ordinal);
        foreach (var member in JsonDocument.Parse(body).RootElement.EnumerateObject())
        {
            Assert.False(spliced && Cut.Contains(member.Name) && members.ContainsKey(member.Name));
            members[member.Name] = member.Value;
        }
        return members;
    }

    private static void Seeds(int count, Action<int, Random> check)
    {
        for (var seed = 1; seed <= count; seed++)
        {
            try
            {
                check(seed, new Random(seed));
            }
            catch (Exception failure)
            {
                throw new InvalidOperationException($"Seed {seed}: {failure.Message}", failure);
            }
        }
    }
}
