namespace OrleansPd.Core.Credits;

/// <summary>
/// Divides places among those that need some: max-min fair, then what is left evenly, so that all have some ahead of need.
/// </summary>
internal static class Shares
{
    /// <param name="places">To be divided; at least 0.</param>
    /// <param name="needs">What each needs.</param>
    /// <param name="shares">What each gets; the sum is never more than <paramref name="places"/>.</param>
    /// <param name="turn">Decides who gets the odd ones where not all needs can be met.</param>
    public static void Divide(int places, ReadOnlySpan<int> needs, Span<int> shares, int turn)
    {
        shares.Clear();
        var left = Math.Max(0, places);
        var open = needs.Length;
        // Each round gives all that are not content the same, until nobody wants more or nothing is left.
        while (left > 0 && open > 0)
        {
            open = 0;
            for (var i = 0; i < needs.Length; i++)
            {
                open += shares[i] < needs[i] ? 1 : 0;
            }
            var each = open == 0 ? 0 : left / open;
            if (open > 0 && each == 0)
            {
                GiveOdd(ref left, needs, shares, turn);
                return;
            }
            for (var i = 0; i < needs.Length && open > 0; i++)
            {
                var more = Math.Min(each, needs[i] - shares[i]);
                if (more > 0)
                {
                    shares[i] += more;
                    left -= more;
                }
            }
        }
        for (var i = 0; i < needs.Length && left > 0; i++)
        {
            var even = (left + needs.Length - i - 1) / (needs.Length - i);
            shares[i] += even;
            left -= even;
        }
    }

    private static void GiveOdd(ref int left, ReadOnlySpan<int> needs, Span<int> shares, int turn)
    {
        for (var i = 0; i < needs.Length && left > 0; i++)
        {
            var at = (int)((uint)(i + turn) % (uint)needs.Length);
            if (shares[at] < needs[at])
            {
                shares[at]++;
                left--;
            }
        }
    }
}
