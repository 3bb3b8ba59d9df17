namespace OrleansPd.Simulator.Http;

internal static class TokenizeCalls
{
    public static async Task TokenizeAsync(HttpContext context)
    {
        using var body = await EngineApi.ReadBodyAsync(context, mustSayJson: true);
        var tokens = Tokenizer.Tokens(body.RootElement.Text("prompt") ?? throw JsonMembers.Wrong("prompt", "a valid string"));
        await context.JsonAsync(200, json =>
        {
            json.WriteStartObject();
            json.WriteStartArray("tokens");
            foreach (var token in tokens)
                json.WriteNumberValue(token);
            json.WriteEndArray();
            json.WriteNumber("count", tokens.Length);
            json.WriteEndObject();
        });
    }

    public static async Task DetokenizeAsync(HttpContext context)
    {
        using var body = await EngineApi.ReadBodyAsync(context, mustSayJson: true);
        var tokens = (body.RootElement.Member("tokens") ?? throw JsonMembers.Wrong("tokens", "a valid list")).Ints();
        await context.JsonAsync(200, json =>
        {
            json.WriteStartObject();
            json.WriteString("text", Tokenizer.Text(tokens));
            json.WriteEndObject();
        });
    }
}
