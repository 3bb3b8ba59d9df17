namespace OrleansPd.Tools.Replay;

/// <summary>What one event, or one whole answer, brought.</summary>
/// <param name="Tokens">New tokens in it; 0 for frames without output, such as a chat's first one, which only names the
/// role.</param>
/// <param name="Failure">Why the request failed, if it says so.</param>
internal readonly record struct AnswerStep(int Tokens, string? Failure = null, string? Detail = null);

/// <summary>Reads the answers of one request: how much output, which, and whether the engine gave up.</summary>
internal sealed class AnswerParser(ReplayEndpoint endpoint, bool keepOutput)
{
    private readonly StringBuilder _text = new();
    private readonly List<int> _ids = [];

    /// <summary>As the engine counts them where it does, else the events with output.</summary>
    public int OutputTokens { get; private set; }

    public int? PromptTokens { get; private set; }
    public bool Finished { get; private set; }
    public string Text => _text.ToString();
    public IReadOnlyList<int> OutputIds => _ids;

    /// <exception cref="JsonException">Not JSON.</exception>
    public AnswerStep Take(ReadOnlyMemory<byte> json)
    {
        using var document = JsonDocument.Parse(json);
        var root = document.RootElement;
        if (root.ValueKind != JsonValueKind.Object)
            return new(0, FailureKind.BadAnswer, "not an object");

        if (root.TryGetProperty("error", out var error) && error.ValueKind != JsonValueKind.Null)
            return new(0, FailureKind.ErrorEvent, ErrorText.Of(root));

        return endpoint == ReplayEndpoint.Generate ? TakeGenerate(root) : TakeOpenAi(root);
    }

    private AnswerStep TakeGenerate(JsonElement root)
    {
        var before = OutputTokens;
        var ids = root.TryGetProperty("output_ids", out var array) && array.ValueKind == JsonValueKind.Array ? array : default;
        var idCount = ids.ValueKind == JsonValueKind.Array ? ids.GetArrayLength() : 0;
        if (root.TryGetProperty("meta_info", out var meta) && meta.ValueKind == JsonValueKind.Object)
        {
            OutputTokens = Number(meta, "completion_tokens") ?? Math.Max(OutputTokens, idCount);
            PromptTokens = Number(meta, "prompt_tokens") ?? PromptTokens;
            if (meta.TryGetProperty("finish_reason", out var reason) && reason.ValueKind == JsonValueKind.Object)
            {
                Finished = true;
                if (reason.TryGetProperty("type", out var type) && type.ValueEquals("abort"))
                    return new(0, FailureKind.Aborted, ErrorText.Of(reason));
            }
        }

        if (keepOutput)
        {
            // Cumulative unless the engine runs with --incremental-streaming-output; the counts tell which.
            if (idCount == OutputTokens)
                _ids.Clear();

            for (var i = 0; i < idCount; i++)
                _ids.Add(ids[i].GetInt32());

            var text = Str(root, "text") ?? "";
            if (idCount == OutputTokens || text.StartsWith(_text.ToString(), StringComparison.Ordinal))
                _text.Clear();

            _text.Append(text);
        }

        return new(Math.Max(0, OutputTokens - before));
    }

    private AnswerStep TakeOpenAi(JsonElement root)
    {
        var output = false;
        if (root.TryGetProperty("choices", out var choices) && choices.ValueKind == JsonValueKind.Array
            && choices.GetArrayLength() > 0)
        {
            var choice = choices[0];
            if (choice.TryGetProperty("finish_reason", out var reason) && reason.ValueKind == JsonValueKind.String)
            {
                Finished = true;
                if (reason.ValueEquals("abort"))
                    return new(0, FailureKind.Aborted, "finish_reason is abort");
            }

            var message = choice;
            if (choice.TryGetProperty("delta", out var delta) || choice.TryGetProperty("message", out delta))
                message = delta;

            output |= Append(Str(message, "reasoning_content"));
            output |= Append(Str(message, "content"));
            output |= Append(Str(message, "text"));
            output |= message.TryGetProperty("tool_calls", out var calls) && calls.ValueKind == JsonValueKind.Array
                && calls.GetArrayLength() > 0;
        }

        if (output)
            OutputTokens++;

        if (root.TryGetProperty("usage", out var usage) && usage.ValueKind == JsonValueKind.Object)
        {
            OutputTokens = Number(usage, "completion_tokens") ?? OutputTokens;
            PromptTokens = Number(usage, "prompt_tokens") ?? PromptTokens;
        }

        return new(output ? 1 : 0);
    }

    private bool Append(string? text)
    {
        if (string.IsNullOrEmpty(text))
            return false;

        if (keepOutput)
            _text.Append(text);

        return true;
    }

    private static int? Number(JsonElement element, string name) =>
        element.TryGetProperty(name, out var value) && value.ValueKind == JsonValueKind.Number
            && value.TryGetInt32(out var number)
            ? number
            : null;

    private static string? Str(JsonElement element, string name) =>
        element.TryGetProperty(name, out var value) && value.ValueKind == JsonValueKind.String ? value.GetString() : null;
}
