-- The facts follow from the history (aslp2p/store/derive.py), and earlier versions derived others: they are made
-- anew once.
CREATE TABLE state_again (
    one INTEGER PRIMARY KEY CHECK (one = 1)
);
INSERT INTO state_again SELECT 1 FROM snapshot LIMIT 1;
