namespace OrleansPd.Simulator.Model;

/// <summary>Values that look like log probabilities and are a pure function of state and token.</summary>
internal static class Logprobs
{
    public static double Value(ulong random, int id) => -(double)(Mixing.Fold(random, (uint)id) % 30000) / 10000;

    /// <summary>The <paramref name="count"/> likeliest tokens, best first, the chosen one leading.</summary>
    public static TokenLogprob[] Top(ulong random, int chosen, int count, bool fancy)
    {
        var top = new TokenLogprob[count];
        var value = Value(random, chosen);
        for (var i = 0; i < count; i++)
        {
            var id = i == 0 ? chosen : Vocabulary.Draw(Mixing.Fold(random, (uint)i), fancy);
            top[i] = new TokenLogprob(Math.Round(value - 0.25 * i, 4), id);
        }
        return top;
    }

    /// <summary>The values of the prompt from <paramref name="start"/> on; the very first token has none.</summary>
    public static (double? Value, int Id, ulong Random)[] OfPrompt(ReadOnlySpan<int> prompt, int start)
    {
        var values = new (double? Value, int Id, ulong Random)[Math.Max(0, prompt.Length - start)];
        var state = new KvState();
        for (var i = 0; i < prompt.Length; i++)
        {
            if (i >= start)
            {
                var random = state.Random(0);
                values[i - start] = (i == start ? null : Value(random, prompt[i]), prompt[i], random);
            }
            state.Append(prompt[i]);
        }
        return values;
    }
}
