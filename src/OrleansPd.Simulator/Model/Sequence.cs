namespace OrleansPd.Simulator.Model;

/// <summary>Why an answer ended. <paramref name="Type"/> is <c>stop</c>, <c>length</c> or <c>abort</c>.</summary>
internal sealed record Finish(string Type)
{
    public int? Length { get; init; }
    public int? MatchedToken { get; init; }
    public string? MatchedText { get; init; }
    public string? Message { get; init; }
    public int? Status { get; init; }

    public static Finish Abort(string message, int? status = null) => new("abort") { Message = message, Status = status };
}

internal readonly record struct TokenLogprob(double Value, int Id);

/// <summary>One sampled token.</summary>
internal sealed record TokenOut(int Id, double Logprob, ulong Random);

/// <summary>An answer in the making: samples the next token, keeps the state, and decides when to stop.</summary>
internal sealed class Sequence(ModelOptions model, Sampling sampling, KvState state)
{
    private readonly List<int> _output = [];
    private KvState _state = state;
    private string _held = "";

    public IReadOnlyList<int> Output => _output;
    public Finish? Finish { get; private set; }
    public int TotalTokens => _state.Count;

    public void Resume(KvState recomputed) => _state = recomputed;

    public TokenOut Sample()
    {
        var random = _state.Random((ulong)sampling.Seed);
        var ends = (int)((random >> 20) % 1000) < model.EosPerMille
            && !sampling.IgnoreEos && _output.Count >= sampling.MinNewTokens;
        var id = ends ? Vocabulary.Eos : Vocabulary.Draw(random, model.FancyTokens);
        return new TokenOut(id, Logprobs.Value(random, id), random);
    }

    /// <summary>Appends a token and returns the text that may be sent now.</summary>
    public string Commit(int token)
    {
        _output.Add(token);
        _state.Append(token);
        if (token == Vocabulary.Eos || sampling.StopTokenIds.Contains(token))
        {
            Finish = new Finish("stop") { MatchedToken = token };
            return Release("");
        }
        var text = Vocabulary.TextOf(token);
        if (sampling.Stop.Count > 0 && _output.Count >= sampling.MinNewTokens && TryStop(_held + text) is { } last)
            return last;
        if (_output.Count >= sampling.MaxNewTokens)
        {
            Finish = new Finish("length") { Length = sampling.MaxNewTokens };
            return Release(text);
        }
        return sampling.Stop.Count == 0 ? text : Hold(_held + text);
    }

    private string? TryStop(string chunk)
    {
        var first = -1;
        string? matched = null;
        foreach (var stop in sampling.Stop)
        {
            var at = stop.Length == 0 ? -1 : chunk.IndexOf(stop, StringComparison.Ordinal);
            if (at >= 0 && (first < 0 || at < first))
                (first, matched) = (at, stop);
        }
        if (matched is null)
            return null;
        Finish = new Finish("stop") { MatchedText = matched };
        _held = "";
        return chunk[..first];
    }

    /// <summary>Keeps back the tail that may be the beginning of a stop text, so that nothing shown is ever taken back.</summary>
    private string Hold(string chunk)
    {
        var keep = 0;
        foreach (var stop in sampling.Stop)
        {
            for (var length = Math.Min(stop.Length - 1, chunk.Length); length > keep; length--)
            {
                if (chunk.AsSpan(chunk.Length - length).SequenceEqual(stop.AsSpan(0, length)))
                    keep = length;
            }
        }
        _held = chunk[(chunk.Length - keep)..];
        return chunk[..(chunk.Length - keep)];
    }

    private string Release(string text)
    {
        var all = _held + text;
        _held = "";
        return all;
    }
}
