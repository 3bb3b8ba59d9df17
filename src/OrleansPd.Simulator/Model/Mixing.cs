namespace OrleansPd.Simulator;

internal static class Mixing
{
    /// <summary>Folds a value into a state; every bit of both reaches every bit of the result.</summary>
    public static ulong Fold(ulong state, ulong value)
    {
        var high = Math.BigMul(state ^ 0x9e3779b97f4a7c15, value + 0xd6e8feb86659fd93 | 1, out var low);
        return Scramble(high ^ low ^ state << 7);
    }

    public static ulong Scramble(ulong x)
    {
        x = (x ^ x >> 32) * 0xd6e8feb86659fd93;
        return x ^ x >> 29;
    }

    public static ulong OfText(string text)
    {
        var hash = 0xcbf29ce484222325;
        foreach (var c in text)
        {
            hash = Fold(hash, c);
        }

        return hash;
    }
}
