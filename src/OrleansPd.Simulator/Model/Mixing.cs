using System.Numerics;

namespace OrleansPd.Simulator.Model;

internal static class Mixing
{
    /// <summary>Folds a value into a state. From one state, different values never lead to the same state.</summary>
    public static ulong Fold(ulong state, ulong value)
    {
        var mixed = Scramble(value + 0x9e3779b97f4a7c15) + BitOperations.RotateLeft(state, 23) * 0xda942042e4dd58b5;
        return Scramble(mixed ^ mixed >> 28);
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
            hash = Fold(hash, c);
        return hash;
    }
}
