namespace OrleansPd.Simulator.Http;

/// <summary>
/// The routes of models that do not generate. Engines of a pair have them and cannot serve them; a regular one
/// answers figures that depend on the text alone.
/// </summary>
internal sealed class EmbeddingCalls(EngineProcess engine)
{
    private const int Width = 8;

    public Task EmbeddingsAsync(HttpContext context) => RunAsync(context, (body, json) =>
    {
        json.WriteString("object", "list");
        json.WriteString("model", body.Text("model") ?? engine.ModelName);
        json.WriteStartArray("data");
        var texts = Texts(body, "input");
        for (var i = 0; i < texts.Length; i++)
        {
            json.WriteStartObject();
            json.WriteString("object", "embedding");
            json.WriteNumber("index", i);
            json.WriteStartArray("embedding");
            for (var at = 0; at < Width; at++)
                json.WriteNumberValue(Figure(texts[i], at));
            json.WriteEndArray();
            json.WriteEndObject();
        }
        json.WriteEndArray();
        json.WriteStartObject("usage");
        json.WriteNumber("prompt_tokens", texts.Sum(text => Tokenizer.Tokens(text).Length));
        json.WriteNumber("total_tokens", texts.Sum(text => Tokenizer.Tokens(text).Length));
        json.WriteEndObject();
    });

    public Task RerankAsync(HttpContext context) => RunAsync(context, (body, json) =>
    {
        var query = body.Text("query") ?? throw JsonMembers.Wrong("query", "a valid string");
        json.WriteStartArray("results");
        foreach (var (text, index) in Texts(body, "documents").Select((text, index) => (text, index))
            .OrderByDescending(d => Figure(query + d.text, 0)))
        {
            json.WriteStartObject();
            json.WriteNumber("index", index);
            json.WriteNumber("score", Figure(query + text, 0));
            json.WriteEndObject();
        }
        json.WriteEndArray();
    });

    public Task ScoresAsync(HttpContext context) => RunAsync(context, (body, json) =>
    {
        json.WriteStartArray("scores");
        foreach (var text in Texts(body, body.Member("items") is null ? "input" : "items"))
            json.WriteNumberValue(Figure(text, 0));
        json.WriteEndArray();
    });

    private async Task RunAsync(HttpContext context, Action<JsonElement, Utf8JsonWriter> write)
    {
        using var body = await EngineApi.ReadBodyAsync(context, mustSayJson: true);
        if (await EngineApi.ApplyFaultsAsync(context, engine, body.RootElement.Text("rid") ?? ""))
            return;
        if (engine.Options.Role != EngineRole.Regular)
            throw new ApiError(400, "This model does not support this request.", "BadRequest");
        engine.Stats.AddControlCall(context.Request.Path.Value ?? "");
        await context.JsonAsync(200, json =>
        {
            json.WriteStartObject();
            write(body.RootElement, json);
            json.WriteEndObject();
        });
    }

    private static string[] Texts(JsonElement body, string name) => body.Member(name) switch
    {
        { ValueKind: JsonValueKind.String } text => [text.GetString()!],
        { ValueKind: JsonValueKind.Array } list => [.. list.EnumerateArray().Select(item => item.GetString() ?? "")],
        _ => throw JsonMembers.Wrong(name, "a string or a list of strings"),
    };

    private static double Figure(string text, int at)
    {
        var sum = (ulong)at + 1;
        foreach (var token in Tokenizer.Tokens(text))
            sum = (sum * 6364136223846793005UL) + (ulong)token + 1442695040888963407UL;
        return Math.Round((sum >> 40) / (double)(1 << 24), 6);
    }
}
