using System.Globalization;

namespace OrleansPd.Testing;

/// <summary>Chance that can be repeated: a failure names its seed, and <c>ORLEANSPD_SEED</c> runs that seed alone.</summary>
public static class SeededRandom
{
    public static void ForEachSeed(int seeds, Action<Random> property)
    {
        var only = Environment.GetEnvironmentVariable("ORLEANSPD_SEED");
        var first = only is null ? 1 : int.Parse(only, CultureInfo.InvariantCulture);
        for (var seed = first; seed < first + (only is null ? seeds : 1); seed++)
        {
            try
            {
                property(new Random(seed));
            }
            catch (Exception e)
            {
                throw new InvalidOperationException($"seed {seed} (repeat with ORLEANSPD_SEED={seed}): {e.Message}", e);
            }
        }
    }
}
